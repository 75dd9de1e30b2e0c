"""ReMuQ: Luo's retriever format with one right passage, and pictures in one table of base64 texts."""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from raqo.errors import DataError, message
from raqo.preference_data.sources.answers import identified
from raqo.preference_data.sources.files import read_json, unreadable
from raqo.preference_data.sources.knowledge_settings import KnowledgeSettings
from raqo.preference_data.sources.okvqa import listed_question
from raqo.preference_data.sources.problems import Problems, Reason
from raqo.records import Question

# WebQA numbers its pictures from 30,000,000 on; the line in the table is what lies beyond the ten millions.
NUMBERING = 10_000_000


def questions(settings: KnowledgeSettings, problems: Problems) -> Iterator[Question]:
    """Read ``train.json`` or ``test.json``; the right passage is the first of ``ctxs``.

    With `settings.images` the pictures are unpacked, once, to ``<settings.cache>/<id>.jpg``.

    Raises:
        DataError: not a list, or the table of pictures cannot be read.
    """
    path = Path(settings.questions or "")
    rows = read_json(path)
    if not isinstance(rows, list):
        problem = f"expected a list, got {type(rows).__name__}"
        raise DataError(message(str(path), problem, "give train.json or test.json"))
    offsets = _offsets(Path(settings.images)) if settings.images else []
    for index, row in enumerate(rows):
        where = f"{path}: [{index}]"
        question = listed_question(row, where, problems)
        image = identified(row, ("img_id",), where, problems) if question else None
        if question is None or image is None:
            continue
        if not question.targets:
            problems.add(Reason.NO_TARGET, where, "no passage in ctxs", "fetch the file again")
            continue
        unpacked = _unpacked(image[0], offsets, settings, where, problems) if settings.images else None
        if unpacked or not settings.images:
            yield replace(question, query=replace(question.query, image=unpacked), targets=question.targets[:1])


def _offsets(folder: Path) -> list[int]:
    path = folder / "imgs.lineidx"
    try:
        return [int(line) for line in path.read_text(encoding="ascii").split()]
    except OSError as error:
        raise unreadable(path, error) from error
    except ValueError as error:
        raise DataError(message(str(path), "expected one whole number per line", "fetch the file again")) from error


def _unpacked(
    image: str, offsets: list[int], settings: KnowledgeSettings, where: str, problems: Problems
) -> str | None:
    """Path of a picture, written on first use; None (noted) if the table does not have it."""
    if not (image.isascii() and image.isdecimal()):
        problems.add(Reason.MALFORMED, where, f"img_id {image!r} is no number", "correct it")
        return None
    target = Path(settings.cache or "") / f"{image}.jpg"
    if target.is_file():
        return str(target)
    content = _content(Path(settings.images or "") / "imgs.tsv", int(image), offsets)
    if content is None:
        problems.add(Reason.MISSING_IMAGE, where, f"picture {image} is not in imgs.tsv", "fetch imgs.tsv and its index")
        return None
    _write(target, content)
    return str(target)


def _content(path: Path, image: int, offsets: list[int]) -> bytes | None:
    line = image % NUMBERING
    if line >= len(offsets):
        return None
    try:
        with path.open("rb") as table:
            table.seek(offsets[line])
            name, _, text = table.readline().rstrip(b"\r\n").partition(b"\t")
    except OSError as error:
        raise unreadable(path, error) from error
    try:
        return base64.b64decode(text, validate=True) or None if name == str(image).encode() else None
    except binascii.Error:
        return None


def _write(target: Path, content: bytes) -> None:
    unfinished = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        unfinished.write_bytes(content)
        os.replace(unfinished, target)
    except OSError as error:
        problem = f"the picture cannot be written ({error.strerror})"
        raise DataError(message(str(target), problem, "set cache to a folder with space")) from error
