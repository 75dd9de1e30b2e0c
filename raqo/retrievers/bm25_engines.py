"""Two BM25 libraries behind the few calls that the retriever needs."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Scores = npt.NDArray[np.floating[Any]]
Positions = npt.NDArray[np.integer[Any]]
Ranked = tuple[Positions, Scores]

NUMBA_FROM = 20_000
"""Documents from which numba's compilation (4 s and more in every process) pays; both backends give the same scores."""


class Bm25Engine(Protocol):
    """Scores documents, numbered by position, against queries given as words."""

    def scores(self, query: list[str]) -> Scores:
        """Score every document: shape (documents,)."""
        ...

    def weighted_scores(self, query: list[str], weights: Sequence[float]) -> Scores:
        """Score every document, each word's part times its weight: shape (documents,); at 1 the same as `scores`."""
        ...

    def best(self, queries: Sequence[list[str]], k: int) -> list[Ranked]:
        """Positions and scores of the best k documents of each query, best first, ties by position, zeros left out."""
        ...


def top(scores: Scores, k: int) -> Ranked:
    """The best k positive scores: positions and values, best first, ties by position."""
    if k < len(scores):
        bound = max(np.partition(scores, -k)[-k], np.finfo(scores.dtype).tiny)
    else:
        bound = np.finfo(scores.dtype).tiny
    positions = np.flatnonzero(scores >= bound)
    best = positions[np.argsort(-scores[positions], kind="stable")[:k]]
    return best, scores[best]


class Bm25s:
    """bm25s with Lucene's term frequency and idf: ln(1 + (N - df + 0.5) / (df + 0.5)), always positive."""

    def __init__(self, index: Any) -> None:
        self._index = index
        self._count = int(index.scores["num_docs"])
        index.backend = "numba" if self._count >= NUMBA_FROM else "numpy"

    @classmethod
    def build(cls, corpus: Sequence[list[str]], *, k1: float, b: float) -> Bm25s:
        """Index documents given as words."""
        import bm25s

        vocabulary: dict[str, int] = {}
        ids = [[vocabulary.setdefault(word, len(vocabulary)) for word in document] for document in corpus]
        _quieten()
        index = bm25s.BM25(method="lucene", idf_method="lucene", k1=k1, b=b)
        index.index((ids, vocabulary), show_progress=False)
        return cls(index)

    def save(self, folder: Path) -> None:
        """Write the index's files."""
        self._index.save(folder, show_progress=False)

    @classmethod
    def open(cls, folder: Path) -> Bm25s:
        """Map what `save` wrote into memory."""
        import bm25s

        _quieten()
        return cls(bm25s.BM25.load(folder, mmap=True, show_progress=False))

    def scores(self, query: list[str]) -> Scores:
        """Score every document: shape (documents,)."""
        known = self._known(query)
        if not known:
            return np.zeros(self._count, dtype=np.float32)
        scores: Scores = self._index.get_scores_from_ids(known)
        return scores

    def weighted_scores(self, query: list[str], weights: Sequence[float]) -> Scores:
        """Score every document: shape (documents,). bm25s keeps the part of each word in each document, by word."""
        starts, parts, documents = (self._index.scores[name] for name in ("indptr", "data", "indices"))
        scores = np.zeros(self._count, dtype=np.float32)
        for word, weight in zip(query, weights, strict=True):
            for word_id in self._known([word]):
                rows = slice(starts[word_id], starts[word_id + 1])
                scores[documents[rows]] += parts[rows] * np.float32(weight)
        return scores

    def best(self, queries: Sequence[list[str]], k: int) -> list[Ranked]:
        """Best k of each query in one call; only where the last place is tied, all scores are looked at again."""
        known = [self._known(query) for query in queries]
        asked = [row for row, ids in enumerate(known) if ids]
        nothing: Ranked = (np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.float32))
        found = [nothing] * len(queries)
        if not asked:
            return found
        depth = min(k + 1, self._count)
        result = self._index.retrieve(
            [known[row] for row in asked], k=depth, show_progress=False, backend_selection=self._index.backend
        )
        for row, positions, scores in zip(asked, result.documents, result.scores, strict=True):
            tied = depth > k and scores[k - 1] == scores[k] > 0
            found[row] = top(self.scores(queries[row]), k) if tied else _ordered(positions[:k], scores[:k])
        return found

    def _known(self, query: list[str]) -> list[int]:
        ids: list[int] = self._index.get_tokens_ids(query)
        return ids


class RankBm25:
    """rank_bm25's Okapi: ln((N - df + 0.5) / (df + 0.5)), floored at a quarter of the mean idf, times tf * (k1 + 1).

    Kept for comparison with papers that used it: it holds the corpus as Python dictionaries, scores every document for
    every query, and saves nothing to disk.
    """

    EPSILON = 0.25

    def __init__(self, corpus: Sequence[list[str]], *, k1: float, b: float) -> None:
        from rank_bm25 import BM25Okapi

        self._index = BM25Okapi(list(corpus), k1=k1, b=b, epsilon=self.EPSILON)

    def scores(self, query: list[str]) -> Scores:
        """Score every document: shape (documents,)."""
        scores: Scores = self._index.get_scores(query)
        return scores

    def weighted_scores(self, query: list[str], weights: Sequence[float]) -> Scores:
        """Score every document: shape (documents,)."""
        scores = np.zeros(self._index.corpus_size)
        for word, weight in zip(query, weights, strict=True):
            scores += weight * self._index.get_scores([word])
        return scores

    def best(self, queries: Sequence[list[str]], k: int) -> list[Ranked]:
        """Best k of each query, one query after another."""
        return [top(self.scores(query), k) for query in queries]


def _quieten() -> None:
    """bm25s sets its own logger to DEBUG."""
    logging.getLogger("bm25s").setLevel(logging.WARNING)


def _ordered(positions: Positions, scores: Scores) -> Ranked:
    order = np.lexsort((positions, -scores))
    order = order[scores[order] > 0]
    return positions[order], scores[order]
