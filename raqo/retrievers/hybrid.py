"""Several retrievers over the same documents, asked together."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from raqo.errors import ConfigError, message
from raqo.protocols import FloatArray, Retriever
from raqo.records import Hit, Query, Ranking
from raqo.retrievers.fusion import FusionSettings, min_max_sum, reciprocal_rank_fusion
from raqo.retrievers.gallery import Skipped, left_out
from raqo.retrievers.pairs import require_pairs


class HybridRetriever:
    """A `Retriever` that fuses others.

    What can be found for a query is its pool: the documents among the best `depth` of any part. With ``rrf`` a document
    scores by its ranks there, and 0 outside the pool. With ``sum`` each part scores every document by its own
    `similarity`, moved and scaled so that the pool's lowest score is 0 and its highest 1; outside the pool a score may
    lie below 0. Both depend on the query alone, never on k or on the other queries.
    """

    def __init__(self, parts: Sequence[Retriever], settings: FusionSettings | None = None) -> None:
        """Fuse two or more retrievers.

        Raises:
            ConfigError: fewer than two, another number of weights, or galleries of different size.
        """
        self._parts = tuple(parts)
        self._settings = settings or FusionSettings()
        self._weights = self._settings.weights_for(len(self._parts))
        if len(self._parts) < 2 or len(self._weights) != len(self._parts):
            problem = f"expected two or more parts, each with a weight, got {len(parts)} and {len(self._weights)}"
            raise ConfigError(message("retriever.parts", problem, "correct the parts or their weights"))
        sizes = [part.size for part in self._parts]
        if len(set(sizes)) > 1:
            problem = f"the parts search {', '.join(map(str, sizes))} documents"
            raise ConfigError(message("retriever.parts", problem, "build all parts over the same documents"))

    @property
    def fingerprint(self) -> str:
        """Hash of the fingerprints of the parts and of the fusion."""
        fusion = self._settings
        constant = f" k={float(fusion.rrf_k)}" if fusion.method == "rrf" else ""
        how = f"{fusion.method}{constant} depth={fusion.depth} weights={[float(weight) for weight in self._weights]}"
        lines = [how, *(part.fingerprint for part in self._parts)]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]

    @property
    def size(self) -> int:
        """Number of documents in the gallery."""
        return self._parts[0].size

    @property
    def skipped(self) -> tuple[Skipped, ...]:
        """Documents that any part left out, each with the reason."""
        found = {skipped.doc_id: skipped for part in self._parts for skipped in left_out(part)}
        return tuple(found.values())

    def search(self, queries: Sequence[Query], *, k: int) -> list[Ranking]:
        """Rank the best k of each query's pool by fused score, ties by document id; a pool may hold fewer than k.

        Raises:
            DataError: a part cannot search by a query, e.g. bm25 by a picture alone.
        """
        if not queries or k < 1:
            return [Ranking(query.query_id, ()) for query in queries]
        rankings = self._search_parts(queries)
        fused = self._fuse(queries, rankings, None)
        pools = map(_pool, rankings)
        rows = zip(queries, pools, fused, strict=True)
        return [Ranking(query.query_id, _best(pool, scores, k)) for query, pool, scores in rows]

    def similarity(self, queries: Sequence[Query], doc_ids: Sequence[str]) -> FloatArray:
        """Fused score of query i and document i: shape (n,).

        Raises:
            DataError: a document is not in the gallery.
        """
        require_pairs(queries, doc_ids)
        scores = np.zeros(len(queries), dtype=np.float32)
        if not queries:
            return scores
        known = list(dict.fromkeys(doc_ids))
        self._parts[0].similarity([queries[0]] * len(known), known)  # says which document is unknown
        rows: dict[Query, list[int]] = {}
        for row, query in enumerate(queries):
            rows.setdefault(query, []).append(row)
        asked = [[doc_ids[row] for row in of_query] for of_query in rows.values()]
        fused = self._fuse(list(rows), self._search_parts(list(rows)), asked)
        scores[np.concatenate(list(rows.values()))] = np.concatenate(fused)
        return scores

    def fits(self, texts: Sequence[str]) -> list[bool]:
        """Whether every part reads each text whole."""
        return [all(fits) for fits in zip(*(part.fits(texts) for part in self._parts), strict=True)]

    def _search_parts(self, queries: Sequence[Query]) -> list[tuple[Ranking, ...]]:
        """The best of every part, by query."""
        found = [part.search(queries, k=self._settings.depth) for part in self._parts]
        return list(zip(*found, strict=True))

    def _fuse(
        self,
        queries: Sequence[Query],
        rankings: Sequence[tuple[Ranking, ...]],
        asked: Sequence[Sequence[str]] | None,
    ) -> list[FloatArray]:
        """Scores of the documents asked for, by query; None asks for each query's pool."""
        pools = [_pool(of_query) for of_query in rankings]
        if self._settings.method == "rrf":
            weights, k = self._weights, self._settings.rrf_k
            pairs = zip(rankings, pools if asked is None else asked, strict=True)
            return [reciprocal_rank_fusion(of_query, doc_ids, weights=weights, k=k) for of_query, doc_ids in pairs]
        inside = self._part_scores(queries, pools)
        wanted = inside if asked is None else self._part_scores(queries, asked)
        return [self._sum(scores, pool) for scores, pool in zip(wanted, inside, strict=True)]

    def _sum(self, scores: FloatArray, pool: FloatArray) -> FloatArray:
        if not pool.size:
            return np.zeros(scores.shape[1], dtype=np.float32)
        return min_max_sum(scores, lowest=pool.min(axis=1), highest=pool.max(axis=1), weights=self._weights)

    def _part_scores(self, queries: Sequence[Query], doc_ids: Sequence[Sequence[str]]) -> list[FloatArray]:
        """Each part's scores of each query's documents: (parts, documents) by query."""
        repeated = [query for query, ids in zip(queries, doc_ids, strict=True) for _ in ids]
        flat = [doc_id for ids in doc_ids for doc_id in ids]
        scores = np.stack([part.similarity(repeated, flat) for part in self._parts])
        return np.split(scores, np.cumsum([len(ids) for ids in doc_ids])[:-1], axis=1)


def _pool(rankings: Sequence[Ranking]) -> list[str]:
    return sorted({hit.doc_id for ranking in rankings for hit in ranking.hits})


def _best(pool: Sequence[str], scores: FloatArray, k: int) -> tuple[Hit, ...]:
    order = np.argsort(-scores, kind="stable")[:k]
    return tuple(Hit(pool[row], float(scores[row])) for row in order)
