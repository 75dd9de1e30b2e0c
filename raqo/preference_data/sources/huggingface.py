"""Hugging Face data sets: a folder of ``save_to_disk``, an imagefolder, Parquet files, or a name on the hub."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from raqo.errors import DataError, message, nearest
from raqo.preference_data.sources.captioned import CaptionedImage, assemble
from raqo.preference_data.sources.files import clean_caption, image_path
from raqo.preference_data.sources.problems import Problems, Reason
from raqo.preference_data.sources.settings import SourceSettings
from raqo.records import RetrievalDataset

_MAGIC = {b"\x89PNG": ".png", b"\xff\xd8\xff": ".jpg", b"GIF8": ".gif", b"RIFF": ".webp", b"BM": ".bmp"}


def load(settings: SourceSettings, problems: Problems) -> RetrievalDataset:
    """Read one split; rows with the same image are captions of one image.

    Images carried inside the data set are written once, as they are, to the cache folder, named by their hash; nothing
    is decoded here. Image columns may also hold paths, relative to `settings.images` or the data set's folder.
    """
    table = _open(settings)
    for column in (settings.image_column, settings.caption_column):
        if column not in table.column_names:
            problem = (
                f"no column {column!r}{nearest(column, table.column_names)}; there are {', '.join(table.column_names)}"
            )
            raise DataError(message(settings.path, problem, "set image_column and caption_column"))
    files: dict[str, str] = {}
    captions: dict[str, dict[str, None]] = {}
    for where, image, texts in _rows(table, settings):
        key, file = _image_file(image, where, settings, problems)
        if file is None:
            continue
        files[key] = file
        known = captions.setdefault(key, {})
        for text in texts:
            if caption := clean_caption(text, where, problems):
                if caption in known:
                    problems.add(Reason.DUPLICATE, where, "the image has this caption already", "delete it")
                known[caption] = None
    return assemble(settings, (CaptionedImage(key, files[key], tuple(known)) for key, known in captions.items()))


def _open(settings: SourceSettings) -> Any:
    import datasets

    path = Path(settings.path)
    try:
        if (path / "dataset_dict.json").is_file():
            return _select(datasets.load_from_disk(str(path)), settings)
        if (path / "state.json").is_file():
            return datasets.load_from_disk(str(path))
        parquet = [path] if path.suffix == ".parquet" else sorted(path.rglob("*.parquet"))
        if parquet:
            named = [file for file in parquet if file.stem.split("-")[0] == settings.split] or parquet
            return datasets.load_dataset("parquet", data_files=[str(file) for file in named], split="train")
        return datasets.load_dataset(settings.path, split=settings.split)
    except DataError:
        raise
    except Exception as error:  # the library raises a dozen unrelated types
        fix = "give a folder of save_to_disk, an imagefolder, Parquet files or a name on the hub, and its split"
        raise DataError(message(settings.path, f"cannot be read as a Hugging Face data set ({error})", fix)) from error


def _select(tables: Any, settings: SourceSettings) -> Any:
    if settings.split not in tables:
        problem = f"no split {settings.split!r}{nearest(settings.split, tables)}; there are {', '.join(tables)}"
        raise DataError(message(settings.path, problem, "set split to one of them"))
    return tables[settings.split]


def _rows(table: Any, settings: SourceSettings) -> Iterator[tuple[str, Any, list[Any]]]:
    """Yield place, image (undecoded) and captions of each row."""
    import datasets

    if isinstance(table.features[settings.image_column], datasets.Image):
        table = table.cast_column(settings.image_column, datasets.Image(decode=False))
    for index, row in enumerate(table.select_columns([settings.image_column, settings.caption_column])):
        texts = row[settings.caption_column]
        yield f"{settings.path}: row {index}", row[settings.image_column], texts if isinstance(texts, list) else [texts]


def _image_file(image: Any, where: str, settings: SourceSettings, problems: Problems) -> tuple[str, str | None]:
    """Id and path of an image given as a path, or as ``{"bytes", "path"}``."""
    content = image.get("bytes") if isinstance(image, dict) else None
    if content:
        return _write_once(content, _cache(settings), where)
    name = image.get("path") if isinstance(image, dict) else image
    if not isinstance(name, str):
        problems.add(Reason.MISSING_IMAGE, where, "the image is empty", "add it")
        return "", None
    root = _root(settings)
    path = image_path(root, name, where, problems)
    # an imagefolder gives absolute paths: ids shall be the same on every machine
    return (os.path.relpath(path, root) if path and os.path.isabs(name) else name), path


def _root(settings: SourceSettings) -> Path:
    import datasets

    path = Path(settings.path)
    if settings.images:
        return Path(settings.images)
    if not path.exists():  # a hub name: the library unpacks images into its own cache
        return Path(datasets.config.HF_CACHE_HOME)
    return path if path.is_dir() else path.parent


def _cache(settings: SourceSettings) -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(settings.cache or os.path.join(base, "raqo", "images"))


def _write_once(content: bytes, folder: Path, where: str) -> tuple[str, str]:
    digest = hashlib.sha256(content).hexdigest()[:32]
    suffix = next((suffix for magic, suffix in _MAGIC.items() if content.startswith(magic)), ".img")
    path = folder / f"{digest}{suffix}"
    try:
        if not path.is_file():
            folder.mkdir(parents=True, exist_ok=True)
            temporary = folder / f".{path.name}.{os.getpid()}"
            temporary.write_bytes(content)
            os.replace(temporary, path)
    except OSError as error:
        problem = f"the image cannot be written to {path} ({error.strerror})"
        raise DataError(message(where, problem, "set cache to a folder with space")) from error
    return digest, str(path)
