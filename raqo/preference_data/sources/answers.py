"""The parts that question files of all benchmarks share: ids, texts, answers and pictures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from raqo.preference_data.sources.files import has_bad_bytes, image_path
from raqo.preference_data.sources.problems import Problems, Reason


def votes(answers: Any, where: str, problems: Problems) -> dict[str, float] | None:
    """Answer -> votes, the most frequent first, from ``{answer: weight}`` or a list; None (noted) if there are none.

    Answers keep their case and blanks. Empty ones are left out.
    """
    if isinstance(answers, dict) and all(isinstance(weight, int | float) for weight in answers.values()):
        counted: list[tuple[str, float]] = [(str(answer), float(weight)) for answer, weight in answers.items()]
    elif isinstance(answers, list) and all(isinstance(answer, str) for answer in answers):
        counted = [(answer, float(count)) for answer, count in Counter(answers).items()]
    else:
        problems.add(Reason.MALFORMED, where, "answers are neither texts nor texts with weights", "correct them")
        return None
    if any(has_bad_bytes(answer) for answer, _ in counted):
        problems.add(Reason.ENCODING, where, "bytes in an answer that are not UTF-8", "save the file as UTF-8")
        return None
    kept = {answer: weight for answer, weight in counted if answer.strip()}
    if not kept:
        problems.add(Reason.NO_TARGET, where, "has no answer", "add one, or delete the question")
        return None
    return dict(sorted(kept.items(), key=lambda item: -item[1]))


def identified(row: Any, fields: Sequence[str], where: str, problems: Problems) -> tuple[str, ...] | None:
    """Fields as non-empty texts (ids may be numbers); None (noted) if one is missing."""
    values = [row.get(field) if isinstance(row, dict) else None for field in fields]
    for field, value in zip(fields, values, strict=True):
        if isinstance(value, bool) or not isinstance(value, str | int):
            problems.add(Reason.MALFORMED, where, f"no text or number in field {field!r}", "correct or delete it")
            return None
        if has_bad_bytes(str(value)):
            problems.add(Reason.ENCODING, where, f"bytes in {field!r} that are not UTF-8", "save the file as UTF-8")
            return None
        if not str(value).strip():
            problems.add(Reason.EMPTY, where, f"field {field!r} is empty", "fill it or delete the entry")
            return None
    return tuple(" ".join(str(value).split()) for value in values)


def picture(images: str | None, names: Iterable[str], where: str, problems: Problems) -> tuple[bool, str | None]:
    """Whether the question can be used, and its picture: the first of the names that exists under `images`.

    Without `images` no picture is looked for; where none exists it is noted.
    """
    if images is None:
        return True, None
    candidates = list(names)
    name = next((one for one in candidates if (Path(images) / one).is_file()), candidates[0])
    path = image_path(Path(images), name, where, problems)
    return path is not None, path
