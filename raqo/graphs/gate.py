"""Whether a query needs rewriting at all, from the retriever's own scores: no ground truth is needed to serve it.

The one statistic is `confidence`: how far the best hit stands above its rivals. A plain top-1 similarity carries an
offset that differs from sentence to sentence (long captions score higher than tags); the difference cancels it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from raqo.errors import ConfigError, DataError, message
from raqo.records import Ranking


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """When to rewrite, and when to keep a rewrite. All of it works without feedback.

    Attributes:
        confident_at: `confidence` at or above which a query is kept as it is; ``None`` always looks for concepts.
        depth: hits that `confidence` looks at, the best one included (at least 2).
        restore_terms: undo what a rewrite changes outside the challenging concepts (`raqo.graphs.restoring`); switch it
            off for languages written without blanks.
        max_growth: content words that a rewrite may have more than its query (`raqo.graphs.verification.growth`);
            ``None`` does not look. `raqo build-data` sets it where it calibrates the gate and none is given.
        max_confidence_drop: how much lower the `confidence` of the rewrite may be than that of the query; ``None`` does
            not look.
    """

    confident_at: float | None = None
    depth: int = 10
    restore_terms: bool = True
    max_growth: int | None = None
    max_confidence_drop: float | None = None

    def __post_init__(self) -> None:
        if self.depth < 2:
            raise ConfigError(message("gate.depth", f"expected at least 2, got {self.depth}", "give 2 or more"))
        if self.max_growth is not None and self.max_growth < 0:
            problem = f"expected at least 0, got {self.max_growth}"
            raise ConfigError(message("gate.max_growth", problem, "give 0 or more, or null to have it calibrated"))

    def passes(self, ranking: Ranking) -> bool:
        """Whether the first retrieval is confident enough to keep the query."""
        return self.confident_at is not None and confidence(ranking, depth=self.depth) >= self.confident_at

    def accepts(self, before: Ranking, after: Ranking) -> bool:
        """Whether the retriever is about as confident in the rewrite as it was in the query."""
        if self.max_confidence_drop is None:
            return True
        drop = confidence(before, depth=self.depth) - confidence(after, depth=self.depth)
        return drop <= self.max_confidence_drop


def confidence(ranking: Ranking, *, depth: int) -> float:
    """Score of the best hit minus the mean score of hits 2 to `depth`, in the retriever's own units (never negative).

    Comparable between queries of one retriever and gallery only. Without a second hit there is nothing to compare: 0.
    """
    scores = [hit.score for hit in ranking.hits[:depth]]
    return float(scores[0] - np.mean(scores[1:])) if len(scores) > 1 else 0.0


def calibrate_gate(
    scores: Sequence[float],
    hit_at_1: Sequence[bool],
    *,
    min_precision: float = 0.98,
    min_support: int = 20,
    gate: Gate | None = None,
) -> Gate:
    """Find the lowest threshold above which the raw query is nearly always right already.

    Use queries of the training split, as they come (never those of a test split).

    Args:
        scores: `confidence` of the first retrieval of each query, with the gate's depth.
        hit_at_1: whether that retrieval had a target at rank 1.
        min_precision: the share of hits that is required among the queries at or above the threshold.
        min_support: how many queries must stand there for the share to count.
        gate: the gate to complete; its other settings stay.

    Returns:
        The gate with `confident_at` set; ``None`` if no threshold is precise enough. Queries of equal score are never
        split.

    Raises:
        DataError: if the two sequences differ in length or a score is not finite.
    """
    values, hits = np.asarray(scores, dtype=np.float64), np.asarray(hit_at_1, dtype=np.float64)
    if values.shape != hits.shape or not np.isfinite(values).all():
        problem = f"expected one finite score per outcome, got {values.size} scores and {hits.size} outcomes"
        raise DataError(message("calibrate_gate", problem, "give both for the same queries"))
    order = np.argsort(-values, kind="stable")
    values, hits = values[order], hits[order]
    support = np.arange(1, values.size + 1)
    last_of_tie = np.append(values[1:] != values[:-1], True) if values.size else np.zeros(0, dtype=bool)
    good = last_of_tie & (support >= min_support) & (np.cumsum(hits) >= min_precision * support - 1e-9)
    threshold = float(values[np.flatnonzero(good)[-1]]) if good.any() else None
    return dataclasses.replace(gate or Gate(), confident_at=threshold)
