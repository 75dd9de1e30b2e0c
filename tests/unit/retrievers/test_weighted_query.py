from __future__ import annotations

import random

import numpy as np
import pytest

from raqo.errors import DataError
from raqo.records import Document, Query
from raqo.retrievers.bm25.retriever import Bm25Retriever
from raqo.retrievers.settings import RetrieverSettings
from raqo.retrievers.weighted_query import WeightedQuery

ENGINES = ("bm25s", "rank_bm25")


def _corpus(count: int, seed: int = 0) -> list[list[str]]:
    rng = random.Random(seed)
    return [[f"w{int(rng.paretovariate(0.6)) % 60}" for _ in range(rng.randint(3, 15))] for _ in range(count)]


CORPUS = _corpus(120)
IDS = [f"d{row:03}" for row in range(120)]


@pytest.fixture(scope="module", params=ENGINES)
def retriever(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Bm25Retriever:
    documents = [Document(doc_id, text=" ".join(text)) for doc_id, text in zip(IDS, CORPUS, strict=True)]
    settings = RetrieverSettings(kind="bm25", engine=request.param)
    return Bm25Retriever.build(settings, documents, index_dir=tmp_path_factory.mktemp("index"))


def _scores(retriever: Bm25Retriever, query: Query) -> np.ndarray:  # type: ignore[type-arg]
    return retriever.similarity([query] * len(IDS), IDS)


def test_at_weight_1_the_rankings_are_the_same(retriever: Bm25Retriever) -> None:
    texts = [" ".join(query) for query in _corpus(40, seed=2)]
    plain = [Query(str(row), text) for row, text in enumerate(texts)]
    whole = [WeightedQuery(str(row), terms=((text, 1.0),)) for row, text in enumerate(texts)]
    by_word = [
        WeightedQuery(str(row), terms=tuple((word, 1) for word in text.split())) for row, text in enumerate(texts)
    ]
    assert retriever.search(plain, k=9) == retriever.search(whole, k=9) == retriever.search(by_word, k=9)


def test_scores_are_linear_in_the_weights(retriever: Bm25Retriever) -> None:
    one, two = _scores(retriever, Query("q", "w1")), _scores(retriever, Query("q", "w2"))
    mixed = _scores(retriever, WeightedQuery("q", terms=(("w1", 0.3), ("w2", 2.5))))
    np.testing.assert_allclose(mixed, 0.3 * one + 2.5 * two, rtol=1e-6)
    doubled = _scores(retriever, WeightedQuery("q", terms=(("w1", 0.6), ("w2", 5.0))))
    np.testing.assert_allclose(doubled, 2 * mixed, rtol=1e-6)
    assert mixed.max() > 0


def test_search_orders_by_the_weighted_scores_ties_by_id(retriever: Bm25Retriever) -> None:
    query = WeightedQuery("q", terms=(("w1", 0.2), ("w3", 3.0), ("w1 w5", 0.7)))
    scores = dict(zip(IDS, _scores(retriever, query).tolist(), strict=True))
    for k in (1, 5, 120):
        (ranking,) = retriever.search([query], k=k)
        expected = sorted((doc for doc in IDS if scores[doc] > 0), key=lambda doc: (-scores[doc], doc))[:k]
        assert [hit.doc_id for hit in ranking.hits] == expected
        assert [hit.score for hit in ranking.hits] == pytest.approx([scores[doc] for doc in expected])


def test_repeated_terms_count_each_time_as_in_a_text(retriever: Bm25Retriever) -> None:
    plain = _scores(retriever, Query("q", "w1 w2 w1"))
    again = _scores(retriever, WeightedQuery("q", terms=(("w1", 1.0), ("w2 w1", 1.0))))
    np.testing.assert_array_equal(plain, again)
    added = _scores(retriever, WeightedQuery("q", terms=(("w1", 0.5), ("w1", 1.5), ("w2", 1.0))))
    np.testing.assert_allclose(added, plain, rtol=1e-6)


def test_unknown_terms_stop_words_and_weights_of_0_add_nothing(retriever: Bm25Retriever) -> None:
    plain = _scores(retriever, WeightedQuery("q", terms=(("w1", 2.0),)))
    more = _scores(retriever, WeightedQuery("q", terms=(("zzz the", 9.0), ("w1!", 2.0), ("w2", 0.0), ("", 4.0))))
    np.testing.assert_array_equal(plain, more)


@pytest.mark.parametrize("terms", [(), (("zzz", 2.0),), (("w1", 0.0),), (("the of", 0.5),)])
def test_nothing_to_search_by(terms: tuple[tuple[str, float], ...], retriever: Bm25Retriever) -> None:
    first, second = retriever.search([WeightedQuery("odd", "w1", terms=terms), Query("normal", "w1")], k=5)
    assert first.hits == ()
    assert second.hits


def test_plain_and_weighted_queries_keep_their_places_in_a_batch(retriever: Bm25Retriever) -> None:
    queries = [
        Query("a", "w1 w2"),
        WeightedQuery("b", terms=(("w3", 2.0),)),
        Query("c", "w4"),
        WeightedQuery("d", terms=(("w1", 1.0),)),
    ]
    together = retriever.search(queries, k=6)
    assert together == [retriever.search([query], k=6)[0] for query in queries]
    assert [ranking.query_id for ranking in together] == ["a", "b", "c", "d"]


def test_terms_stand_for_a_missing_text(retriever: Bm25Retriever) -> None:
    by_terms = retriever.search([WeightedQuery("q", image="deer.png", terms=(("w1", 1.0),))], k=3)
    assert by_terms == retriever.search([Query("q", "w1")], k=3)


def test_terms_may_come_from_a_mapping_or_from_json() -> None:
    made = WeightedQuery("q", terms=[["red", 1], ["boat", 0.5]])  # type: ignore[arg-type]
    assert made == WeightedQuery("q", terms=tuple({"red": 1.0, "boat": 0.5}.items()))
    assert len({made, WeightedQuery("q", terms=(("red", 1.0), ("boat", 0.5)))}) == 1


@pytest.mark.parametrize("weight", [-0.1, float("nan"), float("inf")])
def test_weights_that_are_none(weight: float) -> None:
    with pytest.raises(DataError, match=r"query 'q': the weight of 'boat' is .*, expected a number from 0"):
        WeightedQuery("q", terms=(("red", 1.0), ("boat", weight)))


def test_doubled_weights_double_every_score(retriever: Bm25Retriever) -> None:
    for row, query in enumerate(_corpus(30, seed=3)):
        (plain,) = retriever.search([Query(str(row), " ".join(query))], k=7)
        twice = WeightedQuery(str(row), terms=((" ".join(query), 2.0),))
        (doubled,) = retriever.search([twice], k=7)
        assert [(hit.doc_id, hit.score) for hit in doubled.hits] == [(hit.doc_id, 2 * hit.score) for hit in plain.hits]
