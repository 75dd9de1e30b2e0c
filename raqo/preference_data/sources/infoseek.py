"""InfoSeek: questions about entities in JSONL, and the six million Wikipedia articles they are answered from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from raqo.preference_data.sources.answers import identified, picture, votes
from raqo.preference_data.sources.files import read_jsonl
from raqo.preference_data.sources.knowledge_settings import KnowledgeSettings
from raqo.preference_data.sources.problems import Problems, Reason
from raqo.records import Document, Query, Question


def questions(settings: KnowledgeSettings, problems: Problems) -> Iterator[Question]:
    """Read ``data_id, image_id, question, answer, answer_eval``; the right article is that of the question's entity.

    Answers are those of ``answer`` and ``answer_eval``. Where the latter holds a number with a range, the number counts
    and the range is left out: no published retrieval metric uses it. The test split has no answers, hence no entry.

    The entity is ``entity_id``, from the question itself or from `settings.annotations` (``*_withkb.jsonl``).
    """
    entities = _entities(Path(settings.annotations), problems) if settings.annotations else {}
    for where, row in read_jsonl(Path(settings.questions or ""), problems):
        found = identified(row, ("data_id", "question", "image_id"), where, problems)
        answers = votes(_answers(row), where, problems) if found else None
        if found is None or answers is None:
            continue
        data_id, text, image = found
        entity = entities.get(data_id) or row.get("entity_id")
        usable, path = picture(settings.images, _names(image), where, problems)
        if usable:
            targets = (entity,) if isinstance(entity, str) and entity else ()
            yield Question(Query(data_id, text, path), answers, targets=targets)


def articles(path: Path, problems: Problems) -> Iterator[Document]:
    """Read Wiki6M as documents ``title: ... content: ...``, in the form MIRe and M2KR use; ids are Wikidata's.

    An article without content gives its summary.
    """
    for where, row in read_jsonl(path, problems):
        found = identified(row, ("wikidata_id", "wikipedia_title"), where, problems)
        if found is None:
            continue
        text = row.get("wikipedia_content") or row.get("wikipedia_summary")
        if not isinstance(text, str) or not text.strip():
            problems.add(Reason.EMPTY, where, f"article {found[0]} has neither content nor summary", "delete it")
            continue
        yield Document(found[0], text=f"title: {found[1]} content: {' '.join(text.split())}")


def _answers(row: dict[str, Any]) -> list[str]:
    """All answers as texts, each once, those of ``answer`` first."""
    given = [*_listed(row.get("answer")), *_listed(row.get("answer_eval"))]
    texts = [_number(one) if isinstance(one, dict) else one for one in given]
    return list(dict.fromkeys(text for text in texts if isinstance(text, str)))


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _number(answer: dict[str, Any]) -> str | None:
    value = answer.get("wikidata")
    return f"{value:.15g}" if isinstance(value, int | float) else None


def _entities(path: Path, problems: Problems) -> dict[str, str]:
    """Question id -> Wikidata id."""
    rows = (identified(row, ("data_id", "entity_id"), where, problems) for where, row in read_jsonl(path, problems))
    return {found[0]: found[1] for found in rows if found}


def _names(image: str) -> tuple[str, ...]:
    """OVEN's pictures lie in one folder, or in folders named by the first two digits of their number."""
    folder = image.removeprefix("oven_")[:2]
    return tuple(f"{place}{image}.{suffix}" for place in ("", f"{folder}/") for suffix in ("jpg", "JPEG"))
