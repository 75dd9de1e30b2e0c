"""Retrieval metrics from rankings and targets, per query. Relevance is binary.

Ties are pessimistic: among hits of equal score those that are not relevant come first. A retriever that scores
everything alike therefore earns nothing, in whatever order it lists it.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from raqo.errors import DataError, message
from raqo.records import Ranking

PerQuery = dict[str, npt.NDArray[np.float64]]
"""Metric name to one value per query, of shape (n,)."""


def target_ranks(ranking: Ranking, targets: Collection[str]) -> tuple[int, ...]:
    """1-based ranks of the relevant documents found, ascending, ties against them.

    For a single target this is `Ranking.rank_of`. A document listed twice counts once. A tie that reaches past the last
    hit cannot be seen.
    """
    wanted = set(targets)
    ordered = sorted(ranking.hits, key=lambda hit: (-hit.score, hit.doc_id in wanted))
    found: dict[str, int] = {}
    for rank, hit in enumerate(ordered, start=1):
        if hit.doc_id in wanted:
            found.setdefault(hit.doc_id, rank)
    return tuple(found.values())


def hit_at(ranks: Sequence[int], k: int) -> float:
    """1 if any relevant document is among the first k, else 0 ("recall@k" of the image-text literature)."""
    return float(any(rank <= k for rank in ranks))


def recall_at(ranks: Sequence[int], n_targets: int, k: int) -> float:
    """Share of the relevant documents among the first k (recall of the text retrieval literature)."""
    return sum(rank <= k for rank in ranks) / n_targets


def reciprocal_rank(ranks: Sequence[int]) -> float:
    """1 / rank of the first relevant document, 0 if none was found."""
    return 1.0 / min(ranks) if ranks else 0.0


def ndcg_at(ranks: Sequence[int], n_targets: int, k: int = 10) -> float:
    """Normalised discounted cumulative gain with gain 1 and discount log2(rank + 1) (Järvelin and Kekäläinen 2002)."""
    gained = sum(1.0 / math.log2(rank + 1) for rank in ranks if rank <= k)
    return gained / sum(1.0 / math.log2(rank + 1) for rank in range(1, min(n_targets, k) + 1))


def per_query(
    rankings: Sequence[Ranking], targets: Mapping[str, Collection[str]], *, ks: Sequence[int] = (1, 5, 10)
) -> PerQuery:
    """Measure each ranking.

    Args:
        rankings: one per query.
        targets: query id to relevant document ids; may know more queries than were ranked.
        ks: cut-offs.

    Returns:
        ``recall@k`` (`hit_at`; equal to ``target_recall@k`` where a query has one target), ``target_recall@k``
        (`recall_at`), ``mrr`` and ``ndcg@10``, each of shape (n,) in the order of `rankings`.

    Raises:
        DataError: if a ranked query has no target, or is ranked twice.
    """
    _check(rankings, targets)
    wanted = [frozenset(targets[ranking.query_id]) for ranking in rankings]
    found = [(target_ranks(ranking, ids), len(ids)) for ranking, ids in zip(rankings, wanted, strict=True)]
    columns = {f"recall@{k}": [hit_at(ranks, k) for ranks, _ in found] for k in ks}
    columns |= {f"target_recall@{k}": [recall_at(ranks, n, k) for ranks, n in found] for k in ks}
    columns["mrr"] = [reciprocal_rank(ranks) for ranks, _ in found]
    columns["ndcg@10"] = [ndcg_at(ranks, n, 10) for ranks, n in found]
    return {name: np.asarray(values, dtype=np.float64) for name, values in columns.items()}


def means(values: PerQuery) -> dict[str, float]:
    """Mean over queries; 0 where there are none."""
    return {name: float(column.mean()) if column.size else 0.0 for name, column in values.items()}


def _check(rankings: Sequence[Ranking], targets: Mapping[str, Collection[str]]) -> None:
    seen: set[str] = set()
    for ranking in rankings:
        query_id = ranking.query_id
        if not targets.get(query_id):
            raise DataError(message(f"query {query_id!r}", "expected a target, got none", "drop it or add one"))
        if query_id in seen:
            raise DataError(message(f"query {query_id!r}", "ranked twice", "give each query one ranking"))
        seen.add(query_id)
