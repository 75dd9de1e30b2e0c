from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from word_encoder import WordEncoder

from raqo.errors import ConfigError, DataError
from raqo.protocols import Retriever
from raqo.records import Document, Query
from raqo.retrievers.bm25.retriever import Bm25Retriever
from raqo.retrievers.dense.retriever import DenseRetriever
from raqo.retrievers.fusion import FusionSettings, reciprocal_rank_fusion
from raqo.retrievers.hybrid import HybridRetriever
from raqo.retrievers.settings import RetrieverSettings
from raqo.retrievers.weighted_query import WeightedQuery
from raqo.testing import check_retriever, toy_dataset

BM25, DENSE = RetrieverSettings(kind="bm25"), RetrieverSettings(kind="dense")
METHODS = ("rrf", "sum")


def _part(settings: RetrieverSettings, folder: Path, documents: tuple[Document, ...]) -> Retriever:
    if settings.kind == "bm25":
        return Bm25Retriever.build(settings, documents, index_dir=folder)
    return DenseRetriever.build(settings, WordEncoder(), documents, index_dir=folder)


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> tuple[Retriever, Retriever]:
    folder, documents = tmp_path_factory.mktemp("index"), toy_dataset().documents
    return _part(BM25, folder, documents), _part(DENSE, folder, documents)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("depth", [1, 7, 200])
def test_keeps_the_promises(method: str, depth: int, parts: tuple[Retriever, Retriever]) -> None:
    settings = FusionSettings(method=method, depth=depth, weights=(0.3, 0.7))  # type: ignore[arg-type]
    hybrid = HybridRetriever(parts, settings)
    queries = [*toy_dataset().queries, Query("empty"), Query("unknown", "zzz")]
    check_retriever(hybrid, queries)
    longest = max(len(ranking.hits) for ranking in hybrid.search(queries, k=80))
    assert longest <= min(2 * depth, 80)


def test_rrf_is_the_sum_over_the_parts_own_rankings(parts: tuple[Retriever, Retriever]) -> None:
    hybrid = HybridRetriever(parts, FusionSettings(depth=80))
    for query in toy_dataset().queries[:4]:
        (ranking,) = hybrid.search([query], k=80)
        lists = [part.search([query], k=80)[0] for part in parts]
        for hit in ranking.hits:
            better = [
                sum(other.score > own.score for other in one.hits)
                for one in lists
                for own in one.hits
                if own.doc_id == hit.doc_id
            ]
            assert hit.score == pytest.approx(sum(1 / (61 + count) for count in better), rel=1e-6)


def test_sum_is_the_min_max_of_the_pool_and_goes_on_outside_it(parts: tuple[Retriever, Retriever]) -> None:
    hybrid = HybridRetriever(parts, FusionSettings(method="sum", depth=5, weights=(0.25, 0.75)))
    query = toy_dataset().queries[0]
    pool = sorted({hit.doc_id for part in parts for hit in part.search([query], k=5)[0].hits})
    ids = [document.doc_id for document in toy_dataset().documents]
    expected = np.zeros(len(ids))
    for part, weight in zip(parts, (0.25, 0.75), strict=True):
        inside = part.similarity([query] * len(pool), pool)
        every = part.similarity([query] * len(ids), ids)
        expected += weight * (every - inside.min()) / (inside.max() - inside.min())
    np.testing.assert_allclose(hybrid.similarity([query] * len(ids), ids), expected, atol=1e-5)
    assert expected.min() < 0
    (ranking,) = hybrid.search([query], k=80)
    assert {hit.doc_id for hit in ranking.hits} == set(pool)


def test_a_weight_of_zero_leaves_the_order_to_the_other_part(parts: tuple[Retriever, Retriever]) -> None:
    hybrid = HybridRetriever(parts, FusionSettings(method="sum", weights=(0, 1), depth=80))
    queries = toy_dataset().queries
    fused, alone = hybrid.search(queries, k=3), parts[1].search(queries, k=3)
    for left, right in zip(fused, alone, strict=True):
        assert [hit.doc_id for hit in left.hits] == [hit.doc_id for hit in right.hits]


def test_copies_tie_by_id(tmp_path: Path) -> None:
    documents = tuple(Document(name, text=text) for name, text in (("b", "boat"), ("a", "boat"), ("c", "dog")))
    for method in METHODS:
        settings = FusionSettings(method=method)  # type: ignore[arg-type]
        hybrid = HybridRetriever([_part(BM25, tmp_path, documents), _part(DENSE, tmp_path, documents)], settings)
        (ranking,) = hybrid.search([Query("q", "boat")], k=2)
        assert [hit.doc_id for hit in ranking.hits] == ["a", "b"]
        assert ranking.hits[0].score == ranking.hits[1].score > 0


def test_parts_that_find_nothing_give_an_empty_ranking(tmp_path: Path) -> None:
    documents = (Document("a", text="boat"), Document("b", text="dog"))
    parts = [_part(settings, tmp_path, documents) for settings in (BM25, RetrieverSettings(kind="bm25", k1=2.0))]
    for method in METHODS:
        hybrid = HybridRetriever(parts, FusionSettings(method=method))  # type: ignore[arg-type]
        assert hybrid.search([Query("q", "zzz"), Query("r", "boat")], k=2)[0].hits == ()
        assert hybrid.similarity([Query("q", "zzz")], ["a"]).tolist() == [0]


def test_weighted_queries_reach_the_part_that_reads_them(parts: tuple[Retriever, Retriever]) -> None:
    hybrid = HybridRetriever(parts)
    plain = Query("q", "red boat")
    weighted = WeightedQuery("q", "red boat", terms=(("red", 0.1), ("dog", 3.0)))
    lists = [part.search([query], k=100)[0] for part, query in zip(parts, (weighted, plain), strict=True)]
    (ranking,) = hybrid.search([weighted], k=5)
    ids = [hit.doc_id for hit in ranking.hits]
    expected = reciprocal_rank_fusion(lists, ids, weights=(1, 1))
    assert [hit.score for hit in ranking.hits] == expected.tolist()
    assert ranking != hybrid.search([plain], k=5)[0]


def test_the_fingerprint_comes_from_parts_and_fusion(parts: tuple[Retriever, Retriever], tmp_path: Path) -> None:
    other = _part(RetrieverSettings(kind="bm25", k1=1.2), tmp_path, toy_dataset().documents)
    settings = [
        *(FusionSettings(), FusionSettings(method="sum"), FusionSettings(depth=50), FusionSettings(rrf_k=10)),
        FusionSettings(weights=(1, 2)),
    ]
    prints = [HybridRetriever(parts, one).fingerprint for one in settings]
    prints += [HybridRetriever(parts[::-1]).fingerprint, HybridRetriever([other, parts[1]]).fingerprint]
    assert len(set(prints)) == len(prints)
    assert HybridRetriever(parts, FusionSettings(weights=(1, 1))).fingerprint == prints[0]


def test_wrong_parts(parts: tuple[Retriever, Retriever], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="expected two or more parts"):
        HybridRetriever(parts[:1])
    with pytest.raises(ConfigError, match="each with a weight, got 2 and 3"):
        HybridRetriever(parts, FusionSettings(weights=(1, 1, 1)))
    fewer = _part(BM25, tmp_path, toy_dataset().documents[1:])
    with pytest.raises(ConfigError, match="search 79, 80 documents"):
        HybridRetriever([fewer, parts[1]])


def test_unknown_documents_and_pictures(parts: tuple[Retriever, Retriever]) -> None:
    for method in METHODS:
        hybrid = HybridRetriever(parts, FusionSettings(method=method))  # type: ignore[arg-type]
        with pytest.raises(DataError, match="'zz'"):
            hybrid.similarity([Query("q", "boat")], ["zz"])
        with pytest.raises(DataError, match="got a picture"):
            hybrid.search([Query("q", image="a.png")], k=1)
        with pytest.raises(ValueError, match="1 queries for 2 documents"):
            hybrid.similarity([Query("q", "x")], ["a", "a"])
        assert hybrid.search([Query("q", "boat")], k=0)[0].hits == ()


def test_it_fits_what_fits_every_part(parts: tuple[Retriever, Retriever]) -> None:
    assert HybridRetriever(parts).fits(["a " * 20, "a " * 21]) == [True, False]
    assert HybridRetriever(parts).fits([]) == []
