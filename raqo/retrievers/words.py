"""Text to words, the same for every lexical engine."""

from __future__ import annotations

import re
import unicodedata

STOP_WORDS = frozenset(
    (
        *("a", "an", "and", "are", "as", "at", "be", "but", "by", "for", "if", "in", "into", "is", "it", "no", "not"),
        *("of", "on", "or", "such", "that", "the", "their", "then", "there", "these", "they", "this", "to", "was"),
        *("will", "with"),
    )
)
"""The words that Lucene's English analyzer leaves out."""

_WORD = re.compile(r"[^\W_]+")


def words(text: str, *, stop_words: bool = True) -> list[str]:
    """Lower-case runs of letters and digits of any script, in order.

    Args:
        text: any text.
        stop_words: drop `STOP_WORDS`.
    """
    found = _WORD.findall(unicodedata.normalize("NFKC", text).lower())
    return [word for word in found if word not in STOP_WORDS] if stop_words else found
