"""Parts of queries, cut with their rewrites."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raqo.agents.spans import forms_of, is_content
from raqo.training.fragments import MOST_WORDS, FragmentRows, fragment, fragment_rows

QUERY = "a crimson hound next to a purring pet in the frost"
REWRITE = "a red dog next to a cat in the snow"
CONCEPTS = ("crimson", "hound", "purring pet", "frost")


def _cuts(query: str, rewrite: str, concepts: tuple[str, ...], n: int = 300) -> set[tuple[str, str, tuple[str, ...]]]:
    found = (fragment(query, rewrite, concepts, random.Random(seed)) for seed in range(n))
    return {cut for cut in found if cut}


def test_query_and_rewrite_are_cut_at_the_same_places() -> None:
    found = _cuts(QUERY, REWRITE, CONCEPTS)
    assert ("a crimson hound", "a red dog", ("crimson", "hound")) in found
    assert ("next to a purring pet", "next to a cat", ("purring pet",)) in found
    assert ("purring pet", "cat", ("purring pet",)) in found
    assert ("in the frost", "in the snow", ("frost",)) in found
    for query, rewrite, concepts in found:
        assert query in QUERY
        assert rewrite in REWRITE
        assert len(forms_of(query)) <= MOST_WORDS
        assert is_content(forms_of(query)[-1])
        assert all(concept in query for concept in concepts)
        # "pet" alone is half a concept, and half a change
        assert ("purring" in query) == ("pet" in query) == ("cat" in rewrite)
        assert ("hound" in query) == ("dog" in rewrite)
        assert ("hound" in concepts) == ("hound" in query)


def test_an_unambiguous_query_is_cut_from_itself() -> None:
    assert _cuts("a red dog", "a red dog", ()) == {
        (part, part, ()) for part in ("a red", "a red dog", "red", "red dog", "dog")
    }


@pytest.mark.parametrize(
    ("query", "rewrite", "concepts"),
    [
        ("", "", ()),
        ("of the", "of the", ()),
        ("a hound", "", ("hound",)),
        ("a hound", "a dog", ()),  # changed, and nobody says why
        ("a dog by a crimson hat", "a red hat by a dog", ("crimson",)),  # words were moved about
        ("a coal-coloured ladder", "a green car chasing a black one", ("coal-coloured",)),
        ("a hound and a cat", "a dog and a cat and a cat", ("hound", "cat")),  # may be read in two ways
    ],
)
def test_what_does_not_fit_together_is_not_cut(query: str, rewrite: str, concepts: tuple[str, ...]) -> None:
    assert _cuts(query, rewrite, concepts) == set()


def test_concepts_side_by_side_are_not_cut_apart() -> None:
    found = _cuts("a crimson hound at night", "a small red dog at night", ("crimson", "hound"))
    assert ("crimson hound", "small red dog", ("crimson", "hound")) in found
    assert all(("crimson" in query) == ("hound" in query) for query, _, _ in found)


def test_an_article_may_change_with_its_noun() -> None:
    assert ("a hound", "an animal", ("hound",)) in _cuts("a hound at night", "an animal at night", ("hound",))


WORDS = ["a", "the", "red", "crimson", "hound", "dog", "next", "to", "snow", "frost", ",", ".", "x-y", "7"]


@given(
    st.lists(st.sampled_from(WORDS), max_size=12),
    st.lists(st.sampled_from(WORDS), max_size=12),
    st.lists(st.sampled_from(["hound", "crimson hound", "to snow", "x-y"]), max_size=3),
    st.integers(0, 100),
)
def test_a_fragment_is_a_piece_of_both(old: list[str], new: list[str], concepts: list[str], seed: int) -> None:
    query, rewrite = " ".join(old), " ".join(new)
    cut = fragment(query, rewrite, concepts, random.Random(seed))
    if cut:
        assert cut[0]
        assert cut[1]
        assert cut[0] in query
        assert cut[1] in rewrite
        assert set(cut[2]) <= set(concepts)


def test_rows_of_all_kinds_are_made_from_a_data_folder(tmp_path: Path) -> None:
    qre = {"query": QUERY, "rewrite": REWRITE, "concepts": list(CONCEPTS)}
    ccd = [{"query": QUERY, "concepts": list(CONCEPTS)}, {"query": "a red dog at night", "concepts": []}]
    (tmp_path / "qre.jsonl").write_text(json.dumps(qre) + "\n", encoding="utf-8")
    (tmp_path / "ccd.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ccd), encoding="utf-8")
    found = fragment_rows(tmp_path, share=40.0, seed=0)
    assert found == fragment_rows(tmp_path, share=40.0, seed=0) != fragment_rows(tmp_path, share=40.0, seed=1)
    assert len(found.ccd) == len(found.draft) == 80
    assert 0 < len(found.qre) < 80
    assert {pair.completion for pair in found.ccd} >= {" None", " crimson, hound"}
    assert "Query: a crimson hound\nConcepts: crimson, hound\nRewrite:" in {pair.prompt for pair in found.qre}
    drafts = {pair.prompt: pair.completion for pair in found.draft}
    assert drafts["Query: a crimson hound\nConcepts: any\nRewrite:"] == " a red dog"
    assert drafts["Query: red dog\nConcepts: any\nRewrite:"] == " red dog"


def test_without_rows_there_are_no_fragments(tmp_path: Path) -> None:
    found = fragment_rows(tmp_path, share=1.0, seed=0)
    assert found == FragmentRows()
