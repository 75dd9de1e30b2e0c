"""Queries put to a `DenseIndex`, whatever makes vectors of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from raqo.protocols import FloatArray
from raqo.records import Query, Ranking
from raqo.retrievers.pairs import require_pairs
from raqo.retrievers.vectors.dense_index import DenseIndex

Encode = Callable[[Sequence[Query]], FloatArray]
"""Queries to vectors of shape (n, d)."""


def rankings(index: DenseIndex, encode: Encode, queries: Sequence[Query], *, k: int) -> list[Ranking]:
    """Rank the best k documents of each query; nothing is encoded where no hit is asked for."""
    if not queries or k < 1:
        return [Ranking(query.query_id, ()) for query in queries]
    best = index.search(encode(queries), k)
    return [Ranking(query.query_id, hits) for query, hits in zip(queries, best, strict=True)]


def similarities(index: DenseIndex, encode: Encode, queries: Sequence[Query], doc_ids: Sequence[str]) -> FloatArray:
    """Score query i with document i: shape (n,).

    Raises:
        DataError: a document is not in the gallery.
        ValueError: not as many documents as queries.
    """
    require_pairs(queries, doc_ids)
    if not queries:
        return np.zeros(0, dtype=np.float32)
    return index.scores(encode(queries), doc_ids)
