"""Which wordings may stand beside a query, and why others may not (RAQO, 'Query Pair Filtering')."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from raqo.preference_data.sentence_encoder import SentenceEncoder, text_similarities
from raqo.records import Attempt

__all__ = ["DropReason", "SentenceEncoder", "filter_attempts", "normalise", "text_similarities"]


class DropReason(StrEnum):
    """Why a wording or a whole trace gives no row; written into the data card."""

    EMPTY = "wording is empty"
    UNCHANGED = "wording equals the query"
    DUPLICATE = "wording occurs twice"
    DISSIMILAR = "text similarity below the threshold"
    SAME_SCORE = "score equals that of a better candidate"
    UNDECIDED = "query is neither ambiguous nor unambiguous"
    NO_ATTEMPT = "no accepted wording"
    NO_CONCEPT = "no concept for the accepted wording"
    SHORT_LIST = "fewer candidates than min_candidates"
    CONFLICT = "unambiguous query has the wording of an ambiguous one"
    REPEATED_TRACE = "trace occurs twice"


def normalise(text: str) -> str:
    """Form in which wordings are compared: case and blanks folded."""
    return " ".join(text.casefold().split())


def filter_attempts(
    original: str, attempts: Iterable[Attempt], *, min_text_similarity: float
) -> tuple[list[Attempt], list[DropReason]]:
    """Keep the wordings that differ from the original and from each other and mean the same.

    Returns:
        The kept attempts in the order given (of equal ones the first), and the reason of each one dropped.
    """
    seen = {normalise(original)}
    kept: list[Attempt] = []
    dropped: list[DropReason] = []
    for attempt in attempts:
        wording = normalise(attempt.text)
        if not wording:
            dropped.append(DropReason.EMPTY)
        elif wording in seen:
            dropped.append(DropReason.UNCHANGED if wording == normalise(original) else DropReason.DUPLICATE)
        elif attempt.text_similarity < min_text_similarity:
            dropped.append(DropReason.DISSIMILAR)
        else:
            seen.add(wording)
            kept.append(attempt)
    return kept, dropped
