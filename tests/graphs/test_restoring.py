from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raqo.agents.spans import is_content, words_of
from raqo.graphs.restoring import restored

WORDS = ["a", "red", "crimson", "boat", "dinghy", "by", "the", "fir", "tree", ",", "two", "dogs", "dog"]
SENTENCES = st.lists(st.sampled_from(WORDS), max_size=9).map(" ".join)
FROST = "hat, purple wind toy, in the frost"


@pytest.mark.parametrize(
    ("text", "concepts", "rewrite", "expected"),
    [
        ("a crimson boat by a tree", ["crimson"], "a red boat by a tree", "a red boat by a tree"),
        ("a crimson boat by a tree", ["crimson"], "a red ship by a tree", "a crimson boat by a tree"),
        ("a crimson boat, two dogs", ["crimson"], "a red boat", "a red boat, two dogs"),
        ("two dogs, a crimson boat", ["crimson"], "a red boat", "two dogs, a red boat"),
        ("a crimson boat", ["crimson"], "a red boat of joy", "a red boat"),
        ("a crimson boat", ["crimson"], "happy, a red boat", "a red boat"),
        ("the boat's dogs", [], "the boat's dog", "the boat's dog"),
        ("a dog on a beach", ["dog"], "on a beach there runs a puppy", "on a beach there runs a puppy"),
        (FROST, ["wind toy", "frost"], "hat, in the snow", "hat, purple wind toy, in the snow"),
        ("a crimson boat", ["crimson"], "", ""),
        ("", ["crimson"], "a red boat", ""),
    ],
)  # fmt: skip
def test_what_was_not_asked_for_is_undone(text, concepts, rewrite, expected):
    assert restored(text, rewrite, concepts) == expected


@given(SENTENCES, SENTENCES.filter(bool), st.lists(st.sampled_from(["crimson", "dinghy", "fir tree"]), max_size=2))
def test_no_content_word_outside_the_concepts_gets_lost(text, rewrite, concepts):
    free = {word for concept in concepts for word in concept.split()}
    kept = {word.form.rstrip("s") for word in words_of(restored(text, rewrite, concepts))}
    if words_of(rewrite):
        wanted = {word.form for word in words_of(text) if is_content(word.form)} - free
        assert {word.rstrip("s") for word in wanted} <= kept


@given(st.text(max_size=40), st.text(max_size=40), st.lists(st.text(max_size=8), max_size=3))
def test_any_text_is_taken_and_a_query_is_its_own_rewrite(text, rewrite, concepts):
    restored(text, rewrite, concepts)
    if words_of(text):
        assert restored(text, text, concepts) == text
