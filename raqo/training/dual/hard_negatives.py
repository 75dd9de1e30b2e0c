"""Hard negatives: wrong passages that a first retrieval ranks neither high nor low (QueryFormer, *Training*)."""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping, Sequence

from raqo.protocols import Retriever
from raqo.records import Query, Ranking

FIRST, LAST = 50, 70


def candidates(ranking: Ranking, positives: Collection[str], *, first: int = FIRST, last: int = LAST) -> list[str]:
    """The passages at ranks `first` to `last`, 1-based and inclusive, without those known to be right.

    Ranks are those of the retrieval: positives count in them and are dropped afterwards. The paper says neither where
    it counts from nor which comes first. A ranking that ends before `first` gives none.
    """
    return [hit.doc_id for hit in ranking.hits[first - 1 : last] if hit.doc_id not in positives]


def mine_hard_negatives(
    retriever: Retriever,
    queries: Sequence[Query],
    positives: Mapping[str, Collection[str]],
    *,
    seed: int,
    first: int = FIRST,
    last: int = LAST,
) -> dict[str, str]:
    """Search each query and draw one of its `candidates`.

    Args:
        retriever: of the preliminary retrieval, e.g. BM25 over the same passages.
        queries: with ids of their own.
        positives: query id to the passages known to be right.
        seed: what is drawn depends on it and on the query alone, not on the others.
        first: rank of the first candidate.
        last: rank of the last candidate.

    Returns:
        Query id to passage id; a query without candidates is left out.
    """
    drawn: dict[str, str] = {}
    for ranking in retriever.search(queries, k=last):
        found = candidates(ranking, positives[ranking.query_id], first=first, last=last)
        if found:
            drawn[ranking.query_id] = random.Random(f"hard-negative-{seed}-{ranking.query_id}").choice(found)
    return drawn
