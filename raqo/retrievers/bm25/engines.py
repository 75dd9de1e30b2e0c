"""Two ways to score texts by BM25 behind the two calls that the retriever needs."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain, pairwise
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from raqo.protocols import FloatArray
from raqo.retrievers.bm25.build import OKAPI_FLOOR
from raqo.retrievers.bm25.postings import DATA, INDICES, INDPTR, SHARDS, VOCABULARY, shard_file

Array = npt.NDArray[Any]
Asked = tuple[tuple[str, ...], tuple[float, ...]]
"""Words of a query, and the weight of each: what the word adds to a score is multiplied by it."""
Ranked = tuple[list[int], list[float]]
"""Positions of documents, and their scores."""

ROOM = 1 << 22
"""Keys of hits that one thread may hold."""
WORK = 1 << 21
"""Queries times documents from which more threads pay."""


class Bm25Engine(Protocol):
    """Scores documents, numbered by position, against queries given as words."""

    def best(self, queries: Sequence[Asked], k: int) -> list[Ranked]:
        """The best k documents of each query, best first, ties by position, those without score left out."""
        ...

    def scores(self, queries: Sequence[Asked], positions: Sequence[int]) -> FloatArray:
        """Score of query i and document i: shape (n,)."""
        ...


@dataclass(frozen=True, slots=True)
class _Shard:
    """Postings of a range of positions: see `Postings.save`."""

    first: int
    size: int
    starts: Array
    parts: Array
    documents: Array


class Bm25s:
    """An index in the format of bm25s, memory-mapped, with Lucene's term frequency and idf, which is always positive.

    The scores are those of bm25s, bit by bit. The search is our own: it looks at the documents that hold a word of the
    query only, and takes all queries of a batch in one call.
    """

    def __init__(self, vocabulary: dict[str, int], shards: Sequence[_Shard]) -> None:
        self._vocabulary = vocabulary
        self._shards = shards
        self._count = sum(shard.size for shard in shards)

    @classmethod
    def open(cls, folder: Path) -> Bm25s:
        """Map what `Postings.save` wrote into memory.

        Raises:
            OSError, ValueError, KeyError: a file is missing or broken.
        """
        bounds = json.loads((folder / SHARDS).read_text(encoding="utf-8"))
        shards = []
        for number, (first, end) in enumerate(pairwise(bounds)):
            names = [shard_file(name, number) for name in (INDPTR, DATA, INDICES)]
            arrays = [np.asarray(np.load(folder / name, mmap_mode="r")) for name in names]
            shards.append(_Shard(first, end - first, *arrays))
        return cls(json.loads((folder / VOCABULARY).read_text(encoding="utf-8")), shards)

    def best(self, queries: Sequence[Asked], k: int) -> list[Ranked]:
        """The best k of each query; a large batch is shared between the processors."""
        workers = min(os.cpu_count() or 1, 8) if len(queries) * self._count >= WORK else 1
        size = max(1, min(-(-len(queries) // workers), ROOM // (k * len(self._shards))))
        batches = [queries[at : at + size] for at in range(0, len(queries), size)]
        if len(batches) == 1:
            return self._batch(batches[0], k)
        with ThreadPoolExecutor(workers) as pool:
            return list(chain.from_iterable(pool.map(lambda batch: self._batch(batch, k), batches)))

    def scores(self, queries: Sequence[Asked], positions: Sequence[int]) -> FloatArray:
        """Each score by itself, found by bisection of the postings of each word."""
        from raqo.retrievers.bm25.kernels import pair_scores

        distinct = {query: number for number, query in enumerate(dict.fromkeys(queries))}
        asked = np.array([distinct[query] for query in queries], dtype=np.int64)
        wanted, found = np.array(positions, dtype=np.int64), np.zeros(len(queries), dtype=np.float32)
        flat = self._flat(list(distinct))
        for shard in self._shards:
            rows = np.flatnonzero((shard.first <= wanted) & (wanted < shard.first + shard.size))
            of_shard = np.zeros(len(rows), dtype=np.float32)
            arrays = (shard.starts, shard.parts, shard.documents)
            pair_scores(*flat, *arrays, asked[rows], wanted[rows] - shard.first, of_shard)
            found[rows] = of_shard
        return found

    def _batch(self, queries: Sequence[Asked], k: int) -> list[Ranked]:
        from raqo.retrievers.bm25.kernels import LAST, best_keys

        flat, keys = self._flat(queries), np.zeros((len(queries), k * len(self._shards)), dtype=np.int64)
        for number, shard in enumerate(self._shards):
            found = np.zeros((len(queries), k), dtype=np.int64)
            room = np.zeros(shard.size, dtype=np.float32)
            best_keys(*flat, shard.starts, shard.parts, shard.documents, room, found)
            keys[:, number * k : (number + 1) * k] = np.where(found > 0, found - shard.first, 0)
        keys.sort(axis=1)
        best = keys[:, : -k - 1 : -1]
        positions = (LAST - (best & LAST)).tolist()
        scores = (best >> 32).astype(np.int32).view(np.float32).tolist()
        counts = np.count_nonzero(best, axis=1).tolist()
        rows = zip(positions, scores, counts, strict=True)
        return [(at[:count], score[:count]) for at, score, count in rows]

    def _flat(self, queries: Sequence[Asked]) -> tuple[Array, Array, Array]:
        """Numbers and weights of the known words of all queries, and where those of each query end."""
        numbers: list[int] = []
        weights: list[float] = []
        ends = [0]
        for query in queries:
            for word, weight in zip(*query, strict=True):
                number = self._vocabulary.get(word)
                if number is not None:
                    numbers.append(number)
                    weights.append(weight)
            ends.append(len(numbers))
        return np.array(numbers, dtype=np.int64), np.array(weights, dtype=np.float32), np.array(ends, dtype=np.int64)


class RankBm25:
    """rank_bm25's Okapi: ln((N - df + 0.5) / (df + 0.5)), floored at a quarter of the mean idf, times tf * (k1 + 1).

    Kept for comparison with papers that used it: it holds the corpus as Python dictionaries, scores every document for
    every query, and saves nothing to disk.
    """

    def __init__(self, corpus: Sequence[list[str]], *, k1: float, b: float) -> None:
        from rank_bm25 import BM25Okapi

        self._index = BM25Okapi(list(corpus), k1=k1, b=b, epsilon=OKAPI_FLOOR)

    def best(self, queries: Sequence[Asked], k: int) -> list[Ranked]:
        """Best k of each query, one query after another."""
        return [self._top(self._all(query), k) for query in queries]

    def scores(self, queries: Sequence[Asked], positions: Sequence[int]) -> FloatArray:
        """Every document is scored for each distinct query."""
        rows: dict[Asked, list[int]] = {}
        for row, query in enumerate(queries):
            rows.setdefault(query, []).append(row)
        found = np.zeros(len(queries), dtype=np.float32)
        for query, of_query in rows.items():
            found[of_query] = self._all(query)[[positions[row] for row in of_query]]
        return found

    def _all(self, query: Asked) -> Array:
        scores = np.zeros(self._index.corpus_size)
        for word, weight in zip(*query, strict=True):
            scores += weight * self._index.get_scores([word])
        return scores

    def _top(self, scores: Array, k: int) -> Ranked:
        best = np.argsort(-scores, kind="stable")[:k]
        best = best[scores[best] > 0]
        return best.tolist(), scores[best].tolist()
