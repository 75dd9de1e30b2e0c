"""The best k of an engine that orders ties as it likes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from raqo.errors import DataError, message
from raqo.records import Hit

MOST_HITS = 16_384
"""Milvus' limit of hits for one query."""

MARGIN = 16

Asked = TypeVar("Asked")


def best_hits(
    ask: Callable[[Sequence[Asked], int], Iterable[Sequence[Hit]]],
    asked: Sequence[Asked],
    *,
    k: int,
    size: int,
    tolerance: float = 0.0,
) -> list[tuple[Hit, ...]]:
    """The best k hits of each query, ties by document id.

    The engine is asked for somewhat more than k. Where the last of them could still tie with the k-th, it is asked for
    twice as many, up to `MOST_HITS`; of more ties than that, the engine chooses.

    Args:
        ask: gives the best hits of each query down to a depth, in any order.
        asked: the queries.
        k: hits wanted.
        size: documents in the gallery.
        tolerance: by how much scores may differ from those by which the engine chose.

    Raises:
        DataError: more hits are wanted than the engine gives.
    """
    k = min(k, size)
    if k > MOST_HITS:
        raise DataError(message("search", f"Milvus gives at most {MOST_HITS:,} hits, asked for {k:,}", "ask for fewer"))
    best: list[tuple[Hit, ...]] = [()] * len(asked)
    rows = list(range(len(asked))) if k > 0 else []
    depth = min(k + MARGIN, size, MOST_HITS)
    while rows:
        again = []
        for row, found in zip(rows, ask([asked[row] for row in rows], depth), strict=True):
            hits = sorted(found, key=lambda hit: (-hit.score, hit.doc_id))
            best[row] = tuple(hits[:k])
            more = len(hits) == depth < min(size, MOST_HITS)
            if more and hits[k - 1].score - hits[-1].score <= tolerance:
                again.append(row)
        rows, depth = again, min(2 * depth, size, MOST_HITS)
    return best
