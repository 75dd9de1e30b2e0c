"""Reading JSON out of what a chat model wrote: code fences, prose around it and trailing commas are repaired."""

from __future__ import annotations

import json
import re
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from raqo.records import FailureKind

Answer = TypeVar("Answer", bound=BaseModel)

# Longer answers are not read: a model that runs on must not hold up a run.
MAX_CHARACTERS = 200_000
_MAX_STARTS = 64
# Strings are matched first, so that a comma inside one is left alone.
_TRAILING_COMMA = re.compile(r'("(?:[^"\\]|\\.)*")|,(?=\s*[}\]])', re.DOTALL)


class AnswerError(ValueError):
    """A model's answer cannot be used; `kind` says why. Caught where the model is asked, and recorded as a failure."""

    def __init__(self, kind: FailureKind, text: str) -> None:
        super().__init__(text)
        self.kind = kind


def parse_answer(text: str, form: type[Answer]) -> Answer:
    """Read an answer of a given form.

    Raises:
        AnswerError: ``EMPTY`` for no text, ``UNPARSABLE`` for anything without a JSON object of this form.
    """
    try:
        return form.model_validate(extract_object(text))
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'answer'}: {e['msg']}" for e in error.errors()[:3])
        raise AnswerError(FailureKind.UNPARSABLE, problems) from None


def extract_object(text: str) -> dict[str, Any]:
    """Find the longest JSON object in a text.

    Raises:
        AnswerError: ``EMPTY`` for no text, ``UNPARSABLE`` for no object.
    """
    if not text.strip():
        raise AnswerError(FailureKind.EMPTY, "the answer is empty")
    text = text[:MAX_CHARACTERS]
    for readable in (text, _TRAILING_COMMA.sub(lambda match: match[1] or "", text)):
        found = _longest_object(readable)
        if found is not None:
            return found
    raise AnswerError(FailureKind.UNPARSABLE, "no JSON object in the answer")


def _longest_object(text: str) -> dict[str, Any] | None:
    decoder, best, length, start = json.JSONDecoder(), None, 0, text.find("{")
    for _ in range(_MAX_STARTS):
        if start < 0:
            break
        end = start + 1
        try:
            found, end = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            found = None
        if isinstance(found, dict) and end - start > length:
            best, length = found, end - start
        start = text.find("{", end)
    return best
