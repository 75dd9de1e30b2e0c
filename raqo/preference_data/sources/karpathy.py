"""Karpathy's splits: ``dataset_flickr30k.json``, ``dataset_coco.json``."""

from __future__ import annotations

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
    """Read one split (``restval`` counts as ``train``), by default the first five sentences of each image."""
    path = Path(settings.path)
    content = read_json(path)
    if not isinstance(content, dict) or not isinstance(content.get("images"), list):
        raise DataError(message(str(path), "no list 'images'", "give a Karpathy file, or set format"))
    return assemble(settings, _images(settings, path, content["images"], problems))


def _images(settings: SourceSettings, path: Path, entries: list[Any], problems: Problems) -> Iterator[CaptionedImage]:
    probes = [_name(entry) for entry in entries[:50] if isinstance(entry, dict)]
    folders = (path.parent, path.parent / "images", path.parent / "flickr30k-images", path.parent.parent / "images")
    root = image_root(settings.images, folders, probes)
    seen: set[str] = set()
    for index, entry in enumerate(entries):
        where = f"{path}: images[{index}]"
        if not isinstance(entry, dict) or not isinstance(entry.get("sentences"), list) or not _name(entry):
            problems.add(Reason.MALFORMED, where, "expected filename, split and sentences", "fetch the file again")
        elif _split(entry) == settings.split:
            name = _name(entry)
            if name in seen:
                problems.add(Reason.DUPLICATE, where, f"image {name!r} occurs twice", "delete one")
            elif file := image_path(root, name, where, problems):
                yield CaptionedImage(name, file, _captions(entry["sentences"], where, problems))
            seen.add(name)


def _name(entry: dict[str, Any]) -> str:
    folder, name = entry.get("filepath") or "", entry.get("filename") or ""
    return f"{folder}/{name}" if folder and name else str(name)


def _split(entry: dict[str, Any]) -> str:
    split = str(entry.get("split"))
    return "train" if split == "restval" else split


def _captions(sentences: list[Any], where: str, problems: Problems) -> tuple[str, ...]:
    raw = [sentence.get("raw") if isinstance(sentence, dict) else sentence for sentence in sentences]
    cleaned = (clean_caption(text, f"{where}.sentences[{i}]", problems) for i, text in enumerate(raw))
    return tuple(caption for caption in cleaned if caption)
