"""Text to words, the same for every lexical engine."""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from typing import Any

STOP_WORDS = frozenset(
    (
        *("a", "an", "and", "are", "as", "at", "be", "but", "by", "for", "if", "in", "into", "is", "it", "no", "not"),
        *("of", "on", "or", "such", "that", "the", "their", "then", "there", "these", "they", "this", "to", "was"),
        *("will", "with"),
    )
)
"""The words that Lucene's English analyzer leaves out."""

_WORD = re.compile(r"[^\W_]+")
_BLANKS = {code: " " for code in range(128) if not chr(code).isalnum()}


def words(text: str, *, stop_words: bool = True, stemmer: str = "") -> list[str]:
    """Lower-case runs of letters and digits of any script, in order.

    Args:
        text: any text.
        stop_words: drop `STOP_WORDS`.
        stemmer: ``english`` reduces the words that are left to their stems (Porter's second algorithm, Snowball).
    """
    if text.isascii():
        found = text.lower().translate(_BLANKS).split()  # twice as fast
    else:
        found = _WORD.findall(unicodedata.normalize("NFKC", text).lower())
    if stop_words:
        found = [word for word in found if word not in STOP_WORDS]
    return _snowball(stemmer).stemWords(found) if stemmer else found


@cache
def _snowball(language: str) -> Any:
    from Stemmer import Stemmer

    return Stemmer(language)
