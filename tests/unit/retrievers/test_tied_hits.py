from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raqo.errors import DataError
from raqo.records import Hit
from raqo.retrievers.milvus.tied_hits import MOST_HITS, best_hits


class Engine:
    """Holds scores by document; breaks ties the wrong way round."""

    def __init__(self, scores: Sequence[int]) -> None:
        self.hits = [Hit(f"{row:05}", float(score)) for row, score in enumerate(scores)]
        self.depths: list[int] = []

    def ask(self, asked: Sequence[int], depth: int) -> Iterator[list[Hit]]:
        self.depths.append(depth)
        for sign in asked:
            hits = [Hit(hit.doc_id, sign * hit.score) for hit in reversed(self.hits)]
            yield sorted(hits, key=lambda hit: -hit.score)[:depth]


@given(st.lists(st.integers(0, 3), min_size=1, max_size=90), st.integers(0, 100))
def test_ties_by_document_id_however_many(scores: list[int], k: int) -> None:
    engine = Engine(scores)
    found = best_hits(engine.ask, [1, -1], k=k, size=len(scores))
    for sign, hits in zip((1, -1), found, strict=True):
        expected = sorted(engine.hits, key=lambda hit: (-sign * hit.score, hit.doc_id))[:k]
        assert [hit.doc_id for hit in hits] == [hit.doc_id for hit in expected]


def test_only_the_query_whose_last_place_is_tied_is_asked_again() -> None:
    engine = Engine([*range(100), *[-7] * 100])
    assert [hits[0].score for hits in best_hits(engine.ask, [1, -1], k=1, size=200)] == [99, 7]
    assert engine.depths == [17, 34, 68, 136]


def test_scores_nearer_than_the_tolerance_are_looked_at_again() -> None:
    engine = Engine(range(40))
    best_hits(engine.ask, [1], k=1, size=40, tolerance=16.0)
    assert engine.depths == [17, 34]


def test_no_queries_no_hits_wanted_and_too_many() -> None:
    engine = Engine([1])
    assert best_hits(engine.ask, [], k=3, size=1) == []
    assert best_hits(engine.ask, [1], k=-2, size=1) == [()]
    assert engine.depths == []
    with pytest.raises(DataError, match="at most 16,384 hits, asked for 20,000; ask for fewer"):
        best_hits(engine.ask, [1], k=20_000, size=MOST_HITS * 2)
