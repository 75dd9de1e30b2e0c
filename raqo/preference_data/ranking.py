"""Which wordings stand in a preference list, and in which order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from raqo.records import Attempt

Negatives = Literal["accepted", "attempts", "always"]


def rank(attempts: Sequence[Attempt], *, min_gap: float) -> list[Attempt]:
    """Sort by similarity, best first; of wordings within `min_gap` of the best of them, keep the one tried first.

    One target says little about small differences: a reviewer, which proposes its best wordings first, says more.
    """
    left = sorted(enumerate(attempts), key=lambda item: (-item[1].similarity, item[0]))
    kept: list[Attempt] = []
    while left:
        top = left[0][1].similarity
        alike = [item for item in left if top - item[1].similarity <= min_gap]
        kept.append(min(alike, key=lambda item: item[0])[1])
        left = left[len(alike) :]
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
    below = [attempt for attempt in worse if attempt.similarity < ranked[-1].similarity - min_gap]
    return [*ranked, *rank(below, min_gap=min_gap)][:length]
