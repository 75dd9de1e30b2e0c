"""Do no harm: reasons, found in the wording alone, to keep a query and not its rewrite."""

from __future__ import annotations

import re
from collections.abc import Sequence

from raqo.records import KeptReason

_WORD = re.compile(r"\w+(?:['’]\w+)*")

_FUNCTION_WORDS = """
a an the this that these those some any each every all both another other one
i me my we us our you your he him his she her it its they them their who whom whose which what where when while
am is are was were be been being has have had having do does did doing
can could will would shall should may might must
and or but nor so yet if than as because though although with without within of in on at by to from for into onto
upon off out over under up down near beside next behind before after above below between among across along through
around about against towards toward there here then too also very just only not no
photo photograph picture image
"""
FUNCTION_WORDS = frozenset(_FUNCTION_WORDS.split())
"""English words without content of their own: a rewrite may drop or exchange them."""


def words(text: str) -> list[str]:
    """The words of a text in order, casefolded; punctuation is dropped."""
    return _WORD.findall(text.casefold())


def grounded(concepts: Sequence[str], text: str) -> list[str]:
    """The concepts that occur in the text, word by word: an invented concept must not widen what may be changed."""
    haystack = _spaced(text)
    return [concept for concept in concepts if words(concept) and _spaced(concept) in haystack]


def lost_terms(text: str, rewrite: str, concepts: Sequence[str]) -> list[str]:
    """Content words of `text` outside its challenging concepts that `rewrite` lacks, each once, in order.

    Singular and plural count as one word.
    """
    free = {_singular(word) for concept in concepts for word in words(concept)}
    kept = {_singular(word) for word in words(rewrite)}
    content = [word for word in dict.fromkeys(words(text)) if word not in FUNCTION_WORDS]
    return [word for word in content if _singular(word) not in free | kept]


def wording_reason(
    text: str, rewrite: str, concepts: Sequence[str], *, fits: bool, max_lost_terms: int | None
) -> KeptReason | None:
    """The first reason to keep `text`, or ``None`` if the rewrite may be searched."""
    if not rewrite:
        return KeptReason.EMPTY
    if rewrite.casefold() == " ".join(text.split()).casefold():
        return KeptReason.UNCHANGED
    if not fits:
        return KeptReason.TOO_LONG
    if max_lost_terms is not None and len(lost_terms(text, rewrite, concepts)) > max_lost_terms:
        return KeptReason.LOST_TERMS
    return None


def _spaced(text: str) -> str:
    return f" {' '.join(words(text))} "


def _singular(word: str) -> str:
    stem = re.sub(r"['’]s$", "", word)
    if len(stem) > 4 and stem.endswith(("ches", "shes", "sses", "xes", "zes")):
        return stem[:-2]
    return stem[:-1] if len(stem) > 3 and stem.endswith("s") and not stem.endswith("ss") else stem
