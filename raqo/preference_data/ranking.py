"""Which wordings stand in a preference list, and in which order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from raqo.records import Attempt

Negatives = Literal["accepted", "attempts", "always"]


def rank(attempts: Sequence[Attempt], *, min_gap: float) -> list[Attempt]:
    """Sort by similarity, best first, and drop what lies closer than `min_gap` to the one kept before it.

    Ties keep the one tried first.
    """
    kept: list[Attempt] = []
    for attempt in sorted(attempts, key=lambda attempt: -attempt.similarity):
        if not kept or kept[-1].similarity - attempt.similarity >= min_gap:
            kept.append(attempt)
    return kept


def candidate_list(
    good: Sequence[Attempt],
    worse: Sequence[Attempt],
    *,
    negatives: Negatives,
    min_candidates: int,
    length: int,
    min_gap: float,
) -> list[Attempt]:
    """Rank the good wordings, and fill up from the worse ones where `negatives` says so.

    Of the worse ones only those scored below every good one are taken, so the order never says that a failed wording
    beats an accepted one.

    Args:
        good: wordings that met the criterion; at most the best `length` are used.
        worse: wordings that did not, best of which come first.
        negatives: ``accepted`` never fills (the paper), ``attempts`` fills lists shorter than `min_candidates`,
            ``always`` fills every list; each time up to `length`.
        min_candidates: what counts as short.
        length: most candidates.
        min_gap: least distance of two scores.
    """
    ranked = rank(good, min_gap=min_gap)[:length]
    fills = negatives == "always" or (negatives == "attempts" and len(ranked) < min_candidates)
    if not ranked or not fills:
        return ranked
    below = [attempt for attempt in worse if attempt.similarity <= ranked[-1].similarity - min_gap]
    return [*ranked, *rank(below, min_gap=min_gap)][:length]
