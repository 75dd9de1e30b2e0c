"""The two inner loops of BM25, compiled by numba once per machine and kept in its cache.

Both add up the parts of a query's words in the order of the query and in float32, so that their scores are the same
bits, and those of bm25s.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

Array = npt.NDArray[Any]

LAST = (1 << 31) - 1


def _compiled(function: Callable[..., Any]) -> Any:
    try:
        return njit(nogil=True, cache=True)(function)
    except RuntimeError:  # no folder to keep it in
        return njit(nogil=True)(function)


def _put(heap: Array, bits: int, position: int) -> Any:
    """Replace the least key of a heap by a greater one; returns the bits that a score needs for the next."""
    key = (np.int64(bits) << 32) | (LAST - position)
    at, size = 0, len(heap)
    while key > heap[at]:
        child = 2 * at + 1
        if child + 1 < size and heap[child + 1] < heap[child]:
            child += 1
        if child >= size or heap[child] >= key:
            heap[at] = key
            break
        heap[at] = heap[child]
        at = child
    return max(np.int32(heap[0] >> 32), np.int32(1))


put = _compiled(_put)


def _best_keys(
    numbers: Array,
    weights: Array,
    ends: Array,
    starts: Array,
    parts: Array,
    documents: Array,
    scores: Array,
    found: Array,
) -> None:
    """Write the k greatest keys of each query into `found`, shape (queries, k), in no order, filled up with 0.

    A key is the bits of a score, which order positive floats, and below them `LAST` - position: keys never tie.

    Args:
        numbers: words of all queries, one query after another.
        weights: of the words.
        ends: where the words of each query begin, and those of the last end.
        starts: where the postings of each word begin, and those of the last end.
        parts: of the score, by posting.
        documents: by posting.
        scores: room for all documents, of zeros; it holds zeros again at the end.
        found: zeros.
    """
    bits, count = scores.view(np.int32), len(scores)
    for query in range(len(ends) - 1):
        heap, least, asked = found[query], np.int32(1), numbers[ends[query] : ends[query + 1]]
        postings = 0
        for at, number in enumerate(asked):
            weight = weights[ends[query] + at]
            postings += starts[number + 1] - starts[number]
            for posting in range(starts[number], starts[number + 1]):
                scores[documents[posting]] += parts[posting] * weight
        if postings > count:
            for document in range(count):
                if bits[document] >= least:
                    least = put(heap, bits[document], document)
            scores[:] = 0
            continue
        for number in asked:
            for document in documents[starts[number] : starts[number + 1]]:
                if bits[document] >= least:
                    least = put(heap, bits[document], document)
                scores[document] = 0


def _pair_scores(
    numbers: Array,
    weights: Array,
    ends: Array,
    starts: Array,
    parts: Array,
    documents: Array,
    queries: Array,
    positions: Array,
    found: Array,
) -> None:
    """Write the score of query `queries[i]` and document `positions[i]` into `found[i]`; see `_best_keys`."""
    for pair in range(len(queries)):
        for at in range(ends[queries[pair]], ends[queries[pair] + 1]):
            low, high = starts[numbers[at]], starts[numbers[at] + 1]
            end = high
            while low < high:
                middle = (low + high) // 2
                if documents[middle] < positions[pair]:
                    low = middle + 1
                else:
                    high = middle
            if low < end and documents[low] == positions[pair]:
                found[pair] += parts[low] * weights[at]


best_keys = _compiled(_best_keys)
pair_scores = _compiled(_pair_scores)
