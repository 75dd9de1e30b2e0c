"""Recognise the format of a data source by looking at it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import cast

from raqo.errors import DataError, message
from raqo.preference_data.sources.files import unreadable
from raqo.preference_data.sources.settings import Format, SourceSettings

HEAD_BYTES = 1 << 20

# what lies beside the pictures of a Hugging Face imagefolder and says their captions
_IMAGEFOLDER = ("metadata.jsonl", "metadata.csv")


def detect(settings: SourceSettings) -> Format:
    """Name the format of `settings.path`.

    Raises:
        DataError: nothing lies there, or its format cannot be told.
    """
    if settings.format != "auto":
        return settings.format
    if settings.path == "sample":
        return "sample"
    path = Path(settings.path)
    found = _of_folder(path) if path.is_dir() else _of_file(path) if path.is_file() else None
    if found is None:
        problem = "format not recognised" if path.exists() else "does not exist"
        fix = "correct the path, or set format: csv|karpathy|coco|huggingface|beir (a hub name needs huggingface)"
        raise DataError(message(settings.path, problem, fix))
    return cast(Format, found)


def _of_folder(path: Path) -> str | None:
    if (path / "corpus.jsonl").is_file():
        return "beir"
    if any((path / name).is_file() for name in ("dataset_dict.json", "state.json")):
        return "huggingface"
    return "huggingface" if any(any(path.rglob(pattern)) for pattern in ("*.parquet", *_IMAGEFOLDER)) else None


def _of_file(path: Path) -> str | None:
    known = {".csv": "csv", ".tsv": "csv", ".parquet": "huggingface"}
    return _of_json(path) if path.suffix.lower() == ".json" else known.get(path.suffix.lower())


def _of_json(path: Path) -> str | None:
    """By the keys that only one of the two formats has; the top-level lists may come in any order."""
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
            file.seek(max(0, path.stat().st_size - HEAD_BYTES))
            seen = head + file.read()
    except OSError as error:
        raise unreadable(path, error) from error
    if re.search(rb'"sentences"\s*:', seen):
        return "karpathy"
    return "coco" if re.search(rb'"(annotations|image_id|file_name)"\s*:', seen) else None
