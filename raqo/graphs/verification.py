"""Do no harm: reasons, found in the wording alone, to keep a query and not its rewrite."""

from __future__ import annotations

import re
from collections.abc import Sequence

from raqo.records import KeptReason

_WORD = re.compile(r"\w+(?:['’]\w+)*")


def words(text: str) -> list[str]:
    """The words of a text in order, casefolded; punctuation is dropped."""
    return _WORD.findall(text.casefold())


def grounded(concepts: Sequence[str], text: str) -> list[str]:
    """The concepts that occur in the text, word by word: an invented concept must not widen what may be changed."""
    haystack = _spaced(text)
    return [concept for concept in concepts if words(concept) and _spaced(concept) in haystack]


def wording_reason(text: str, rewrite: str, *, fits: bool) -> KeptReason | None:
    """The first reason to keep `text`, or ``None`` if the rewrite may be searched."""
    if not rewrite:
        return KeptReason.EMPTY
    if rewrite.casefold() == " ".join(text.split()).casefold():
        return KeptReason.UNCHANGED
    return None if fits else KeptReason.TOO_LONG


def _spaced(text: str) -> str:
    return f" {' '.join(words(text))} "
