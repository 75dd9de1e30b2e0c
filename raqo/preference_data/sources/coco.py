"""COCO captions: ``{"images": [{"id", "file_name"}], "annotations": [{"id", "image_id", "caption"}]}``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from raqo.errors import DataError, message
from raqo.preference_data.sources.captioned import CaptionedImage, assemble
from raqo.preference_data.sources.files import clean_caption, image_path, image_root, read_json
from raqo.preference_data.sources.problems import Problems, Reason
from raqo.preference_data.sources.settings import SourceSettings
from raqo.records import RetrievalDataset


def load(settings: SourceSettings, problems: Problems) -> RetrievalDataset:
    """Read a COCO captions file; the file is one split, so `settings.split` is only a name here."""
    path = Path(settings.path)
    content = read_json(path)
    if not isinstance(content, dict) or not all(isinstance(content.get(k), list) for k in ("images", "annotations")):
        raise DataError(message(str(path), "no lists 'images' and 'annotations'", "give a COCO file, or set format"))
    files = _files(settings, path, content["images"], problems)
    captions = _captions(path, content["annotations"], files, problems)
    images = (CaptionedImage(name, file, tuple(captions[key])) for key, (name, file) in files.items() if file)
    return assemble(settings, images)


def _files(
    settings: SourceSettings, path: Path, entries: list[Any], problems: Problems
) -> dict[object, tuple[str, str | None]]:
    """Image id -> file name and path (None if the image cannot be used)."""
    names = [str(entry.get("file_name")) for entry in entries[:50] if isinstance(entry, dict)]
    root = image_root(settings.images, _folders(path), names)
    files: dict[object, tuple[str, str | None]] = {}
    taken: set[str] = set()
    for index, entry in enumerate(entries):
        where = f"{path}: images[{index}]"
        if not _is_entry(entry, "id", "file_name"):
            problems.add(Reason.MALFORMED, where, "expected id and file_name", "fetch the file again")
        elif entry["id"] in files or entry["file_name"] in taken:
            problems.add(
                Reason.DUPLICATE, where, f"image {entry['file_name']!r} ({entry['id']}) occurs twice", "delete one"
            )
        else:
            taken.add(entry["file_name"])
            files[entry["id"]] = (entry["file_name"], image_path(root, entry["file_name"], where, problems))
    return files


def _folders(path: Path) -> Iterator[Path]:
    """Where the images of ``captions_train2017.json`` usually lie: beside it, in ``train2017``, or one level up."""
    years = re.findall(r"(?:train|val|test)\d{4}", path.stem)
    for folder in (path.parent, path.parent.parent):
        yield folder
        yield from (folder / year for year in years)
        yield folder / "images"
        yield from (folder / "images" / year for year in years)


def _captions(
    path: Path, annotations: list[Any], files: dict[object, tuple[str, str | None]], problems: Problems
) -> dict[object, list[str]]:
    captions: dict[object, list[str]] = {key: [] for key in files}
    seen: set[object] = set()
    for index, entry in enumerate(annotations):
        where = f"{path}: annotations[{index}]"
        if not _is_entry(entry, "image_id"):
            problems.add(Reason.MALFORMED, where, "expected image_id and caption", "fetch the file again")
        elif entry["image_id"] not in files:
            problems.add(Reason.NO_TARGET, where, f"image {entry['image_id']} is not in 'images'", "add it")
        elif entry.get("id") is not None and str(entry["id"]) in seen:
            problems.add(Reason.DUPLICATE, where, f"annotation id {entry['id']} occurs twice", "delete one")
        elif caption := clean_caption(entry.get("caption"), where, problems):
            captions[entry["image_id"]].append(caption)
            seen.add(str(entry.get("id")))
    return captions


def _is_entry(entry: Any, *keys: str) -> bool:
    return isinstance(entry, dict) and all(isinstance(entry.get(key), int | str) for key in keys)
