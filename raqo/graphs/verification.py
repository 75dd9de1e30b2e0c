"""Do no harm: reasons, found in the wording alone, to keep a query and not its rewrite."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from raqo.agents.spans import forms_of, is_content
from raqo.records import KeptReason

_WORD = re.compile(r"\w+(?:['’]\w+)*")


def words(text: str) -> list[str]:
    """The words of a text in order, casefolded; punctuation is dropped."""
    return _WORD.findall(text.casefold())


def grounded(concepts: Sequence[str], text: str) -> list[str]:
    """The concepts that occur in the text, word by word: an invented concept must not widen what may be changed."""
    haystack = _spaced(text)
    return [concept for concept in concepts if words(concept) and _spaced(concept) in haystack]


def growth(text: str, rewrite: str) -> int:
    """Content words that the rewrite has more than the text; repeats count, so it may be below 0 as well."""
    before, after = (sum(map(is_content, forms_of(wording))) for wording in (text, rewrite))
    return after - before


def usual_growth(pairs: Sequence[tuple[str, str]], *, share: float = 0.999) -> int | None:
    """The `growth` that this share of queries and their accepted rewrites do not exceed, at least 0.

    A model that makes things up where it knows no better (a short query, a word it never met) writes more than that.

    Args:
        pairs: queries and rewrites of the training split.
        share: of the pairs; what stands alone at the upper end may be a mistake.

    Returns:
        ``None`` without pairs.
    """
    found = sorted(growth(text, rewrite) for text, rewrite in pairs)
    return max(0, found[math.ceil(share * len(found)) - 1]) if found else None


def wording_reason(text: str, rewrite: str, *, fits: bool, max_growth: int | None = None) -> KeptReason | None:
    """The first reason to keep `text`, or ``None`` if the rewrite may be searched."""
    if not rewrite:
        return KeptReason.EMPTY
    if rewrite.casefold() == " ".join(text.split()).casefold():
        return KeptReason.UNCHANGED
    if max_growth is not None and growth(text, rewrite) > max_growth:
        return KeptReason.GROWN
    return None if fits else KeptReason.TOO_LONG


def _spaced(text: str) -> str:
    return f" {' '.join(words(text))} "
