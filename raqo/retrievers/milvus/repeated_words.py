"""Weights of words for an engine that only counts words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

STEPS = 100
"""Weights are rounded to this part of the largest one."""


@dataclass(frozen=True, slots=True)
class RepeatedWords:
    """A text whose BM25 score, times a unit, is that of weighted words.

    Attributes:
        text: words, one that weighs more occurring more often; empty where nothing is searched.
        unit: weight of one occurrence.
    """

    text: str
    unit: float = 1.0


def repeat(terms: Sequence[tuple[str, float]]) -> RepeatedWords:
    """Repeat the words of each term by its weight: BM25 adds up what each occurrence in a query scores.

    Weights that are whole multiples of one hundredth of the largest are exact, so that words of one weight occur once
    each. Others are rounded to the nearest, and one below half a hundredth leaves its words out.

    Args:
        terms: words separated by spaces, with their weight, from 0.
    """
    weighing = [(words, weight) for words, weight in terms if words and weight > 0]
    if not weighing:
        return RepeatedWords("")
    top = max(weight for _, weight in weighing)
    steps = [round(STEPS * (weight / top)) for _, weight in weighing]
    common = math.gcd(*steps)
    copies = [words for (words, _), count in zip(weighing, steps, strict=True) for _ in range(count // common)]
    return RepeatedWords(" ".join(copies), top * (common / STEPS))
