import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raqo.errors import DataError
from raqo.evaluation.pseudo_relevance import (
    AnswerForm,
    Match,
    PseudoRelevance,
    answers_of,
    hit_at,
    per_question,
    precision_at,
    reciprocal_rank_at,
    relevance,
    score_rankings,
)
from raqo.records import Hit, Query, Question, Ranking

WORDS = st.sampled_from(["cat", "cats", "bobcat", "a", "Red", "teddy", "bear", "bears.", "42", "st.", "c++"])
PHRASES = st.lists(WORDS, min_size=1, max_size=3).map(" ".join)
MATRICES = st.lists(st.lists(st.booleans(), min_size=6, max_size=6), min_size=1, max_size=5).map(np.array)


@given(PHRASES, PHRASES, PHRASES, st.sampled_from(Match))
def test_an_answer_in_the_text_counts_whatever_its_case(before, answer, after, match):
    assert relevance([f"{before} {answer.upper()} {after}"], [answer], match).tolist() == [True]


@given(st.lists(PHRASES, max_size=6), st.lists(PHRASES, min_size=1, max_size=3))
def test_a_whole_word_is_a_substring(texts, answers):
    words, letters = (relevance(texts, answers, match) for match in (Match.WORD, Match.SUBSTRING))
    assert (words <= letters).all()


@given(st.lists(PHRASES, max_size=6), st.lists(PHRASES, min_size=1, max_size=3), PHRASES, st.sampled_from(Match))
def test_another_answer_takes_no_passage_away(texts, answers, another, match):
    assert (relevance(texts, answers, match) <= relevance(texts, [*answers, another], match)).all()


@given(st.text("cat \n.", max_size=12), st.text("cat", min_size=1, max_size=3))
def test_words_are_those_of_the_published_regular_expression(text, answer):
    expected = re.search(rf"\b{answer}\b", text.lower()) is not None
    assert relevance([text], [f" {answer} "], Match.WORD).tolist() == [expected]


@given(MATRICES, st.integers(1, 9))
def test_bounds_and_monotony_in_k(relevant, k):
    for metric in (precision_at, hit_at, reciprocal_rank_at):
        assert ((metric(relevant, k) >= 0) & (metric(relevant, k) <= 1)).all()
    assert (hit_at(relevant, k) <= hit_at(relevant, k + 1)).all()
    assert (reciprocal_rank_at(relevant, k) <= reciprocal_rank_at(relevant, k + 1)).all()
    np.testing.assert_array_less(k * precision_at(relevant, k), (k + 1) * precision_at(relevant, k + 1) + 1e-9)
    assert (precision_at(relevant, k) <= hit_at(relevant, k)).all()
    assert (reciprocal_rank_at(relevant, k) <= hit_at(relevant, k)).all()


@given(MATRICES)
def test_at_one_all_three_agree(relevant):
    np.testing.assert_array_equal(precision_at(relevant, 1), hit_at(relevant, 1))
    np.testing.assert_array_equal(precision_at(relevant, 1), reciprocal_rank_at(relevant, 1))


def test_what_counts():
    def found(text: str, answer: str, match: Match) -> bool:
        return bool(relevance([text], [answer], match)[0])

    assert not found("un chat", "the chat", Match.SUBSTRING)
    assert not found("teddy-bear", "teddy bear", Match.SUBSTRING)
    assert found("the teddy-bear", "teddy", Match.WORD)
    assert not found("snake_case", "snake", Match.WORD)
    assert found("he wrote c++.", "c++", Match.WORD)
    assert not found("stx louis", "st. louis", Match.WORD)
    assert found("a (cat", "(cat", Match.WORD)
    assert not found("hotdog", " dog", Match.SUBSTRING)
    assert found("hot dog", " dog", Match.SUBSTRING)
    assert not found("anything", "  ", Match.SUBSTRING)
    assert not found("anything", "", Match.WORD)


def test_hostile_answers_take_no_time():
    assert not relevance(["a" * 5_000], ["(a+)+$"], Match.WORD)[0]


def question(answers: dict[str, float], stemmed: dict[str, float] | None = None) -> Question:
    return Question(Query("q", "what is this?"), answers, stemmed or {})


def test_rankings_are_scored_by_their_texts():
    mode = PseudoRelevance(answers=AnswerForm.STEMMED)
    ranking = Ranking("q", (Hit("b", 2.0), Hit("a", 1.0)))
    scores = score_rankings([question({"racing": 1}, {"race": 1})], [ranking], {"a": "Races", "b": "no"}, mode=mode)
    assert scores["mrr@5[substring-stemmed]"].tolist() == [0.5]
    assert scores["p@5[substring-stemmed]"].tolist() == [0.2]


def test_bad_input_is_named():
    one = question({"cat": 1})
    with pytest.raises(DataError, match="'q'.*ranking of 'other'"):
        score_rankings([one], [Ranking("other", ())], {}, mode=PseudoRelevance())
    with pytest.raises(DataError, match="'q'.*no text for passage 'd'"):
        score_rankings([one], [Ranking("q", (Hit("d", 1.0),))], {}, mode=PseudoRelevance())
    with pytest.raises(DataError, match="'q'.*no stemmed answer"):
        answers_of(one, AnswerForm.STEMMED)
    with pytest.raises(DataError, match="question 0: has no answer"):
        per_question([["x"]], [[" "]], mode=PseudoRelevance())
    with pytest.raises(ValueError, match="2 rankings, 1 sets"):
        per_question([[], []], [["a"]], mode=PseudoRelevance())
    with pytest.raises(ValueError, match="ks"):
        per_question([], [], mode=PseudoRelevance(), ks=(0,))
