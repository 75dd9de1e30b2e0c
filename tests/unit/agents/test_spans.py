from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raqo.agents.spans import (
    Span,
    changed_span,
    delete_span,
    original_span,
    replace_span,
    runs_of,
    span_text,
    words_of,
)
from raqo.agents.suspects import spans_around, suspected

QUERY = "A crimson dinghy, by the sky-coloured fir."


def test_words_keep_their_places() -> None:
    words = words_of(QUERY)
    assert [word.form for word in words] == ["a", "crimson", "dinghy", "by", "the", "sky-coloured", "fir"]
    assert [QUERY[word.start : word.end] for word in words][:2] == ["A", "crimson"]


@given(st.text())
def test_any_text_has_words(text: str) -> None:
    for word in words_of(text):
        assert text[word.start : word.end].casefold() == word.form


@pytest.mark.parametrize(
    ("span", "wording", "expected"),
    [
        (Span(1, 2), "red", "A red dinghy, by the sky-coloured fir."),
        (Span(1, 2), "orange", "An orange dinghy, by the sky-coloured fir."),
        (Span(1, 3), "boat", "A boat, by the sky-coloured fir."),
        (Span(6, 7), "tree", "A crimson dinghy, by the sky-coloured tree."),
    ],
)
def test_replacing_leaves_the_rest_alone(span: Span, wording: str, expected: str) -> None:
    assert replace_span(QUERY, words_of(QUERY), span, wording) == expected


def test_an_article_loses_its_n() -> None:
    text = "an azure kite"
    assert replace_span(text, words_of(text), Span(1, 2), "blue") == "a blue kite"


def test_deleting_closes_the_gap() -> None:
    assert delete_span(QUERY, words_of(QUERY), Span(2, 3)) == "A crimson, by the sky-coloured fir."


def test_phrases_do_not_cross_punctuation() -> None:
    assert [len(run) for run in runs_of(QUERY, words_of(QUERY))] == [3, 4]


@pytest.mark.parametrize(
    ("wording", "changed"),
    [("red dinghy", "crimson"), ("crimson boat", "dinghy"), ("red boat", "crimson dinghy"), ("boat", "crimson dinghy")],
)
def test_equal_edges_are_no_part_of_a_concept(wording: str, changed: str) -> None:
    words = words_of(QUERY)
    assert span_text(QUERY, words, changed_span(words, Span(1, 3), wording)) == changed


@pytest.mark.parametrize(
    ("current", "span", "expected"),
    [
        ("A red dinghy, by the sky-coloured fir.", Span(2, 3), "dinghy"),
        ("A red dinghy, by the sky-coloured fir.", Span(1, 2), "crimson"),
        ("A red dinghy, by the sky-coloured fir.", Span(1, 3), "crimson dinghy"),
        ("A boat, by the sky-coloured fir.", Span(1, 2), "crimson dinghy"),
        ("A boat, by the sky-coloured fir.", Span(5, 6), "fir"),
    ],
)
def test_spans_of_a_rewrite_map_to_the_original(current: str, span: Span, expected: str) -> None:
    origin = words_of(QUERY)
    assert span_text(QUERY, origin, original_span(origin, words_of(current), span)) == expected


def test_words_put_in_stand_for_nothing() -> None:
    origin, current = words_of("red boat"), words_of("red old boat")
    assert original_span(origin, current, Span(1, 2)) == Span(0, 0)


def test_words_whose_absence_hurts_are_not_suspect() -> None:
    assert suspected([0.4, -0.1, 0.05, 0.3], [1, 2, 5, 6], share=0.5, most=8) == [2, 5]
    assert suspected([0.4, -0.1, 0.05, 0.3], [1, 2, 5, 6], share=0.5, most=1) == [2]
    assert suspected([-0.2, -0.1], [3, 4], share=0.5, most=8) == [3, 4]
    assert suspected([], [], share=0.5, most=8) == []


def test_spans_join_suspects_and_take_function_words_along() -> None:
    text = "a red pig to the rear of a craft with a sail, jade"
    words = words_of(text)
    at = {word.form: place for place, word in enumerate(words)}
    suspects = [at["rear"], at["craft"], at["sail"], at["jade"]]
    found = {span_text(text, words, span) for span in spans_around(text, words, suspects, max_words=4)}
    assert {"rear", "to the rear of", "craft", "sail", "craft with a sail", "jade"} <= found
    assert not any("pig" in span or "," in span for span in found)
