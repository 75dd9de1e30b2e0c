from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raqo.agents.spans import (
    Span,
    replace_span,
    runs_of,
    words_of,
)

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


def test_phrases_do_not_cross_punctuation() -> None:
    assert [len(run) for run in runs_of(QUERY, words_of(QUERY))] == [3, 4]
