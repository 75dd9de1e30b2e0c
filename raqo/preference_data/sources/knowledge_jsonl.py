"""Questions and passages of one's own: two files of one JSON object a line, plain or gzipped."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from raqo.preference_data.sources.answers import identified, votes
from raqo.preference_data.sources.beir import identified_text
from raqo.preference_data.sources.files import image_path, image_root, read_jsonl
from raqo.preference_data.sources.knowledge_settings import KnowledgeSettings
from raqo.preference_data.sources.problems import Problems, Reason
from raqo.records import Document, Query, Question


def questions(settings: KnowledgeSettings, problems: Problems) -> Iterator[Question]:
    """Read ``{"id", "question", "answers", "image", "caption"}``; the last two may be missing or null.

    ``answers`` is a list of texts, where a repeated one counts more, or an object of texts with weights. ``image`` is a
    path inside `settings.images`, or inside the folder of the question file. ``caption`` says in words or as a list of
    names what the picture shows. Other fields are left alone.

    Raises:
        DataError: `settings.images` does not exist.
    """
    path = Path(settings.questions or "")
    root = image_root(settings.images, [path.parent], ())
    for where, row in read_jsonl(path, problems):
        found = identified(row, ("id", "question"), where, problems)
        answers = votes(row.get("answers"), where, problems) if found else None
        described = _described(row, root, where, problems) if answers else None
        if found and answers and described:
            image, caption = described
            yield Question(Query(found[0], found[1], image), answers, caption=caption)


def passages(path: Path, problems: Problems) -> Iterator[Document]:
    """Read ``{"_id", "title", "text"}``, as BEIR's ``corpus.jsonl``; the title may be missing."""
    for where, row in read_jsonl(path, problems):
        if found := identified_text(row, where, problems):
            yield Document(found[0], text=found[1])


def _described(row: dict[str, Any], root: Path, where: str, problems: Problems) -> tuple[str | None, str] | None:
    """Picture and caption; None (noted) if one of them is wrong."""
    for field in ("image", "caption"):
        if not isinstance(row.get(field), str | None):
            problem = f"field {field!r} is not text but {type(row[field]).__name__}"
            problems.add(Reason.MALFORMED, where, problem, "correct it")
            return None
    caption = " ".join((row.get("caption") or "").split())
    if row.get("image") is None:
        return None, caption
    path = image_path(root, row["image"], where, problems)
    return None if path is None else (path, caption)
