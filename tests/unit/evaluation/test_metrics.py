import math

import ir_measures
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raqo.errors import DataError
from raqo.evaluation.metrics import means, ndcg_at, per_query, reciprocal_rank, target_ranks
from raqo.records import Hit, Ranking


def ranking(*scored: tuple[str, float], query_id: str = "q") -> Ranking:
    return Ranking(query_id, tuple(Hit(doc_id, score) for doc_id, score in scored))


@st.composite
def runs(draw: st.DrawFn) -> tuple[list[Ranking], dict[str, tuple[str, ...]]]:
    """Rankings without ties over a gallery of 12, some of whose targets lie beyond the hits."""
    gallery = [f"d{i}" for i in range(12)]
    rankings, targets = [], {}
    for number in range(draw(st.integers(1, 4))):
        order = draw(st.permutations(gallery))[: draw(st.integers(1, 12))]
        rankings.append(ranking(*((doc, -float(place)) for place, doc in enumerate(order)), query_id=f"q{number}"))
        targets[f"q{number}"] = tuple(draw(st.sets(st.sampled_from(gallery), min_size=1, max_size=5)))
    return rankings, targets


@given(runs())
def test_agrees_with_ir_measures_where_there_are_no_ties(case):
    rankings, targets = case
    names = {
        "recall@1": ir_measures.Success @ 1,
        "recall@5": ir_measures.Success @ 5,
        "target_recall@5": ir_measures.R @ 5,
        "mrr": ir_measures.RR,
        "ndcg@10": ir_measures.nDCG @ 10,
    }
    qrels = {query: dict.fromkeys(docs, 1) for query, docs in targets.items()}
    run = {one.query_id: {hit.doc_id: hit.score for hit in one.hits} for one in rankings}
    oracle = {(m.query_id, m.measure): m.value for m in ir_measures.iter_calc(list(names.values()), qrels, run)}
    ours = per_query(rankings, targets)
    for name, measure in names.items():
        expected = [oracle[one.query_id, measure] for one in rankings]
        np.testing.assert_allclose(ours[name], expected, atol=1e-12)


@given(st.lists(st.sampled_from([0.1, 0.2, 0.3]), min_size=1, max_size=8), st.data())
def test_a_single_target_has_the_rank_of_the_ranking(scores, data):
    scores = sorted(scores, reverse=True)
    one = ranking(*((f"d{i}", score) for i, score in enumerate(scores)))
    target = data.draw(st.sampled_from([hit.doc_id for hit in one.hits]))
    assert target_ranks(one, [target]) == (one.rank_of(target),)


def test_ties_count_against_the_target_and_not_against_each_other():
    tied = ranking(("a", 1.0), ("b", 1.0), ("c", 1.0), ("d", 0.5))
    assert target_ranks(tied, ["a"]) == (3,)
    assert target_ranks(tied, ["a", "b"]) == (2, 3)
    assert target_ranks(tied, ["d", "missing"]) == (4,)
    assert target_ranks(ranking(("a", 2.0), ("a", 1.0)), ["a"]) == (1,)


@given(st.integers(2, 50))
def test_a_constant_retriever_earns_no_hit(size):
    constant = ranking(*((f"d{i}", 0.0) for i in range(size)))
    assert per_query([constant], {"q": ("d0",)})["recall@1"].tolist() == [0.0]


def test_golden_values():
    one = ranking(("a", 5.0), ("x", 4.0), ("b", 3.0), ("y", 2.0))
    values = means(per_query([one], {"q": ("a", "b", "c")}, ks=(1, 3)))
    assert values["recall@1"] == 1.0
    assert values["target_recall@3"] == pytest.approx(2 / 3)
    assert values["mrr"] == 1.0
    assert values["ndcg@10"] == pytest.approx((1 + 1 / 2) / (1 + 1 / math.log2(3) + 1 / 2))
    assert reciprocal_rank(()) == 0.0
    assert ndcg_at((11,), 1) == 0.0


def test_bad_input_is_named():
    with pytest.raises(DataError, match=r"'q'.*expected a target"):
        per_query([ranking(("a", 1.0))], {})
    with pytest.raises(DataError, match="twice"):
        per_query([ranking(("a", 1.0)), ranking(("a", 1.0))], {"q": ("a",)})
    assert means(per_query([], {}))["mrr"] == 0.0
