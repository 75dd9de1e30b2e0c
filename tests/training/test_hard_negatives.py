from __future__ import annotations

import pytest

from raqo.records import Document, Hit, Query, Ranking
from raqo.testing import ToyRetriever
from raqo.training.dual.hard_negatives import candidates, mine_hard_negatives


def _ranking(hits: int) -> Ranking:
    return Ranking("q", tuple(Hit(f"d{rank}", -float(rank)) for rank in range(1, hits + 1)))


def test_ranks_50_to_70_of_the_retrieval_without_the_positives() -> None:
    assert candidates(_ranking(100), ()) == [f"d{rank}" for rank in range(50, 71)]
    assert candidates(_ranking(100), {"d1", "d50", "d70"}) == [f"d{rank}" for rank in range(51, 70)]


@pytest.mark.parametrize(("hits", "expected"), [(0, 0), (49, 0), (50, 1), (60, 11), (70, 21)])
def test_short_rankings(hits: int, expected: int) -> None:
    assert len(candidates(_ranking(hits), ())) == expected


def test_nothing_is_left_where_all_are_right() -> None:
    assert candidates(_ranking(100), {f"d{rank}" for rank in range(1, 101)}) == []


def test_one_is_drawn_for_each_query_whatever_the_others_are() -> None:
    documents = [Document(f"d{row:03}", text=f"a boat {row}") for row in range(90)]
    retriever = ToyRetriever(documents)
    queries = [Query(f"q{row}", "a boat") for row in range(30)]
    right = {query.query_id: {"d055"} for query in queries}
    drawn = mine_hard_negatives(retriever, queries, right, seed=1)
    window = {f"d{row:03}" for row in range(49, 70)} - {"d055"}
    assert set(drawn) == set(right)
    assert set(drawn.values()) <= window
    assert len(set(drawn.values())) > 5
    assert mine_hard_negatives(retriever, queries[7:8], right, seed=1) == {"q7": drawn["q7"]}
    assert mine_hard_negatives(retriever, queries, right, seed=2) != drawn


def test_a_small_corpus_gives_none() -> None:
    retriever = ToyRetriever([Document(f"d{row}", text="a boat") for row in range(20)])
    assert mine_hard_negatives(retriever, [Query("q", "a boat")], {"q": ()}, seed=0) == {}
    assert len(mine_hard_negatives(retriever, [Query("q", "a boat")], {"q": ()}, seed=0, first=5, last=9)) == 1
