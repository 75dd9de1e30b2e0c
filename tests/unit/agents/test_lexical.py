from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from raqo.agents.lexical import LexicalReviewer, LexicalSettings
from raqo.agents.perturber import LexicalPerturber
from raqo.agents.vocabulary import Vocabulary
from raqo.agents.wordnet import WordNet
from raqo.errors import ConfigError
from raqo.protocols import FloatArray, Metered, Perturber, ReviewCase, Reviewer
from raqo.records import Hit, Query, Ranking, Review

MEANING = {"dinghy": "boat", "crimson": "red", "moved by oars": "boat", "hound": "dog", "skiff": "boat"}


class Meanings:
    """A sentence encoder that knows `MEANING`; several words mean the mean of their meanings."""

    fingerprint = "meanings"

    def encode_texts(self, texts: Sequence[str]) -> FloatArray:
        rows = np.zeros((len(texts), 64), dtype=np.float32)
        for row, text in zip(rows, texts, strict=True):
            for word in [text] if text in MEANING else text.split():
                row[sum(map(ord, MEANING.get(word, word))) % 31] += 1.0
                row[32 + sum(map(ord, word)) % 31] += 0.3
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


class Shares:
    """Similarity: the share of the target's words that a text says, less 0.05 for each other word."""

    fingerprint, size = "shares", 2

    def __init__(self) -> None:
        self.calls: list[int] = []

    def similarity(self, queries: Sequence[Query], doc_ids: Sequence[str]) -> FloatArray:
        self.calls.append(len(queries))
        rows = []
        for query, doc_id in zip(queries, doc_ids, strict=True):
            said, wanted = set(query.text.split()), set(doc_id.split("-"))
            rows.append(len(said & wanted) / len(wanted) - 0.05 * len(said - wanted - {"a", "the"}))
        return np.array(rows, dtype=np.float32)

    def search(self, queries: Sequence[Query], *, k: int) -> list[Ranking]:
        raise AssertionError("a review searches nothing")

    def fits(self, texts: Sequence[str]) -> list[bool]:
        return [True] * len(texts)


COUNTS = {"red": 50, "boat": 50, "dog": 50, "blue": 50, "tree": 40, "skiff": 2, "hound": 2, "crimson": 1}


def case(text: str, original: str | None = None, target: str = "red-boat-tree") -> ReviewCase:
    return ReviewCase(Query("q", text), original or text, Ranking("q", (Hit("other", 0.9),)), target, 1)


def reviewer(**options: object) -> LexicalReviewer:
    found = LexicalReviewer(retriever=Shares(), vocabulary=Vocabulary(COUNTS, Meanings()), **options)  # type: ignore[arg-type]
    assert isinstance(found, Reviewer)
    assert isinstance(found, Metered)
    return found


def test_the_concept_is_the_smallest_span_that_moves_the_target() -> None:
    (review,) = reviewer().review([case("a blue dinghy tree", target="blue-boat-tree")])
    assert isinstance(review, Review)
    assert review.concepts == ("dinghy",)
    assert review.rewrites[0] == "a blue boat tree"
    assert "dinghy" in review.weakness
    assert "other scores 0.900" in review.difference


def test_one_concept_is_fixed_in_each_round() -> None:
    found = reviewer()
    (first,) = found.review([case("a crimson dinghy tree")])
    assert isinstance(first, Review)
    (second,) = found.review([case(first.rewrites[0], "a crimson dinghy tree")])
    assert isinstance(second, Review)
    assert sorted(first.concepts + second.concepts) == ["crimson", "dinghy"]
    assert second.rewrites[0] == "a red boat tree"
    (third,) = found.review([case(second.rewrites[0], "a crimson dinghy tree")])
    assert isinstance(third, Review)
    assert third.rewrites == ()


def test_a_description_is_one_concept() -> None:
    (review,) = reviewer().review([case("red moved by oars tree")])
    assert isinstance(review, Review)
    assert (review.concepts, review.rewrites[0]) == (("moved by oars",), "red boat tree")


def test_cases_share_three_calls_and_equal_texts() -> None:
    found = reviewer()
    alone = found.review([case("a crimson dinghy tree")])
    retriever = found._retriever
    assert isinstance(retriever, Shares)
    before, retriever.calls = retriever.calls, []
    cost = found.last_costs()
    assert found.review([case("a crimson dinghy tree")] * 5) == alone * 5
    assert retriever.calls == before
    assert len(before) == 3
    assert found.last_costs() == cost * 5
    assert cost[0].retriever_queries == sum(before)


def test_a_review_of_nothing() -> None:
    assert reviewer().review([]) == []
    (review,) = reviewer().review([case("in the")])
    assert isinstance(review, Review)
    assert review.rewrites == ()


def test_few_texts_are_scored_for_a_query() -> None:
    found = reviewer(settings=LexicalSettings(candidates=5))
    found.review([case("a crimson dinghy tree")])
    retriever = found._retriever
    assert isinstance(retriever, Shares)
    assert retriever.calls[0] == 4
    assert retriever.calls[2] <= 5


def test_synonyms_of_wordnet_that_the_corpus_uses_are_tried() -> None:
    data = b"00000000 06 n 03 argosy 0 boat 0 galleon 0 000 | a ship\n"
    wordnet = WordNet({"noun": {"argosy": (0,)}}, {"noun": data})
    query = case("a red argosy tree")
    (with_it,) = reviewer(wordnet=wordnet, settings=LexicalSettings(min_cosine=0.5)).review([query])
    (without,) = reviewer(settings=LexicalSettings(min_cosine=0.5)).review([query])
    assert isinstance(with_it, Review)
    assert isinstance(without, Review)
    assert with_it.rewrites == ("a red boat tree",)
    assert without.rewrites == ()


def test_settings_are_checked() -> None:
    with pytest.raises(ConfigError, match="candidates"):
        LexicalSettings(candidates=0)


def test_perturbations_put_rarer_words_in() -> None:
    perturber = LexicalPerturber(vocabulary=Vocabulary(COUNTS, Meanings()))
    assert isinstance(perturber, Perturber)
    both, *singles = perturber.perturb(["a red boat"])[0]
    assert both.text == "a crimson skiff"
    assert both.concepts == ("crimson", "skiff")
    assert {found.text for found in singles} == {"a crimson boat", "a red skiff"}
    assert perturber.perturb(["a skiff", "of the"]) == [[], []]
    assert perturber.perturb([]) == []


def test_words_of_wordnet_that_the_corpus_never_uses_are_rare() -> None:
    wordnet = WordNet({"noun": {"tree": (0,)}}, {"noun": b"00000000 20 n 02 tree 0 arbor 0 000 | a plant\n"})
    perturber = LexicalPerturber(vocabulary=Vocabulary(COUNTS, Meanings()), wordnet=wordnet)
    assert perturber.perturb(["the tree"])[0][0].text == "the arbor"
