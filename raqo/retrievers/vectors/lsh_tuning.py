"""Chooses the number of tables and of hyperplanes from the angles of a gallery."""

from __future__ import annotations

import logging
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from raqo.protocols import FloatArray
from raqo.retrievers.index_settings import LshSettings
from raqo.retrievers.vectors.faiss_loading import load_faiss
from raqo.retrievers.vectors.lsh import agreement, found_probability

logger = logging.getLogger(__name__)

QUERIES = 200
OTHERS = 2000
NEIGHBOURS = 10
WIDTHS = range(1, 33)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """One choice and what it should give.

    Attributes:
        recall: expected share of the ten nearest neighbours among the candidates, without probes.
        candidates: expected number per query.
    """

    tables: int
    hyperplanes: int
    recall: float
    candidates: float


def tune(embeddings: FloatArray, settings: LshSettings, *, target: float) -> Tuning:
    """Choose L and k for unit vectors (n, d) so that the expected recall reaches a target.

    A sample of the vectors stands for the queries, so queries that lie further from their neighbours than documents
    from each other will find fewer. Among the choices within `max_candidates` and `max_tables` the one with the fewest
    dot products per query wins: L * k for its keys, and one for each candidate. Where none reaches the target, the best
    recall within the limits is taken and the shortfall is logged.
    """
    if len(embeddings) < 2:
        return Tuning(tables=1, hyperplanes=1, recall=1.0, candidates=1.0)
    sample = _Sample(embeddings, seed=settings.seed)
    choices = list(_choices(sample, settings, target))
    good = [choice for choice in choices if choice.recall >= target and choice.candidates <= settings.max_candidates]
    if good:
        return min(good, key=lambda choice: choice.candidates + choice.tables * choice.hyperplanes)
    best = max(choices, key=lambda choice: (choice.candidates <= settings.max_candidates, choice.recall))
    logger.warning(
        "no hash tables reach a recall of %g within %d candidates and %d tables; taking %s",
        *(target, settings.max_candidates, settings.max_tables, best),
    )
    return best


def _choices(sample: _Sample, settings: LshSettings, target: float) -> Iterator[Tuning]:
    """For each k the fewest tables that reach the target, or the most that are allowed."""
    for width in WIDTHS:
        allowed, budget = range(1, settings.max_tables + 1), float(settings.max_candidates)
        enough = bisect_left(allowed, target, key=lambda tables: sample.recall(tables, width)) + 1
        affordable = bisect_right(allowed, budget, key=lambda tables: sample.candidates(tables, width))
        tables = max(1, min(enough, affordable, settings.max_tables))
        recall, candidates = sample.recall(tables, width), sample.candidates(tables, width)
        yield Tuning(tables=tables, hyperplanes=width, recall=recall, candidates=candidates)


class _Sample:
    """Bit agreement of sampled vectors with their nearest neighbours, and with any vector."""

    def __init__(self, embeddings: FloatArray, *, seed: int) -> None:
        faiss = load_faiss()

        rng = np.random.default_rng(seed)
        self._count = len(embeddings)
        queries = embeddings[_some(rng, self._count, QUERIES)]
        depth = min(NEIGHBOURS + 1, self._count)
        nearest, _ = faiss.knn(queries, embeddings, depth, metric=faiss.METRIC_INNER_PRODUCT)
        self._near = agreement(nearest[:, 1:])  # the first is the vector itself
        self._any = agreement(queries @ embeddings[_some(rng, self._count, OTHERS)].T)

    def recall(self, tables: int, hyperplanes: int) -> float:
        """Expected share of the nearest neighbours among the candidates."""
        return float(found_probability(self._near, tables=tables, hyperplanes=hyperplanes).mean())

    def candidates(self, tables: int, hyperplanes: int) -> float:
        """Expected candidates per query."""
        share = found_probability(self._any, tables=tables, hyperplanes=hyperplanes).mean()
        return float(self._count * share)


def _some(rng: np.random.Generator, count: int, most: int) -> npt.NDArray[np.int64]:
    return np.sort(rng.choice(count, min(most, count), replace=False))
