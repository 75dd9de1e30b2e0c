from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raqo.agents.recot import challenging_concepts, distinct_lines
from raqo.agents.spans import words_of

QUERY = "a crimson dinghy by the fir, a red cup"


@pytest.mark.parametrize(
    ("named", "draft", "expected"),
    [
        ("None", QUERY, ()),
        ("fir, crimson", QUERY, ("crimson", "fir")),
        ("None", "a red boat by the tree, a red cup", ("crimson dinghy", "fir")),
        ("crimson", "a red boat by the tree, a red cup", ("crimson", "dinghy", "fir")),
        ("crimson, dinghy, fir", "a red boat by the tree, a red cup", ("crimson", "dinghy", "fir")),
        ("crimson dinghy, dinghy", QUERY, ("crimson dinghy",)),
        ("skiff, ../etc/passwd", QUERY, ()),
        ("None", "a crimson dinghy by the fir", ("red cup",)),
        ("None", "in a small crimson dinghy by the fir, a red cup", ()),
    ],
)
def test_concepts_stand_in_the_query(named: str, draft: str, expected: tuple[str, ...]) -> None:
    assert challenging_concepts(QUERY, [named], [draft]) == expected


def test_no_answer_names_nothing() -> None:
    assert challenging_concepts(QUERY, [], []) is None


@given(st.text(max_size=40), st.text(max_size=40), st.text(max_size=40))
def test_each_word_stands_in_one_concept(text: str, named: str, draft: str) -> None:
    found = challenging_concepts(text, [named], [draft])
    assert found is not None
    assert all(concept in text for concept in found)
    assert sum(len(words_of(concept)) for concept in found) <= len(words_of(text))
    assert challenging_concepts(text, [], [text]) == ()


def test_lines_are_folded_and_told_apart() -> None:
    assert distinct_lines([" a  red\tboat\nand more", "a red boat", "\n", " "]) == ["a red boat"]
