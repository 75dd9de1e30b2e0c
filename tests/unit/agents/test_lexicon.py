"""What a retriever prefers to be told: learnt from a toy that is blind to some words."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pytest

from raqo.agents import lexicon as lexicon_module
from raqo.agents.lexical import LexicalPerturber, LexicalReviewer
from raqo.agents.lexicon import (
    Lexicon,
    LexiconProgress,
    LexiconSettings,
    Preference,
    learn_lexicon,
    lexicon_from_json,
    lexicon_json,
)
from raqo.agents.vocabulary import Vocabulary, count_phrases
from raqo.errors import ConfigError
from raqo.protocols import FloatArray, Perturber, ReviewCase, Reviewer
from raqo.records import Hit, Query, Ranking, Review

RARE = {"crimson": "red", "azure": "blue", "dinghy": "boat", "hound": "dog"}
COMMON = {"red", "blue", "green", "boat", "dog", "cat"}


class Letters:
    """A sentence encoder that knows nothing: every word is near every other."""

    fingerprint = "letters"

    def encode_texts(self, texts: Sequence[str]) -> FloatArray:
        rows = np.ones((len(texts), 4), dtype=np.float32)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


class Blind:
    """Similarity: the share of the target's words that a text says; rare words say nothing."""

    fingerprint, size = "blind", 6

    def similarity(self, queries: Sequence[Query], doc_ids: Sequence[str]) -> FloatArray:
        said = [set(query.text.replace(",", "").split()) & COMMON for query in queries]
        wanted = [set(doc_id.split("-")) for doc_id in doc_ids]
        return np.array(
            [len(a & b) / 2 - 0.1 * len(a - b) for a, b in zip(said, wanted, strict=True)], dtype=np.float32
        )

    def search(self, queries: Sequence[Query], *, k: int) -> list[Ranking]:
        raise AssertionError("nothing is searched")

    def fits(self, texts: Sequence[str]) -> list[bool]:
        return [True] * len(texts)


def corpus() -> list[tuple[str, str]]:
    """Every colour and thing, in common words and with one or two rare ones."""
    back = {common: rare for rare, common in RARE.items()}
    examples = []
    for colour, thing in itertools.product(("red", "blue", "green"), ("boat", "dog", "cat")):
        for a, b in itertools.product({colour, back.get(colour, colour)}, {thing, back.get(thing, thing)}):
            examples += [(f"a {a} {b}", f"{colour}-{thing}"), (f"one {a} {b}", f"{colour}-{thing}")]
    return sorted(examples)


def learnt(examples: list[tuple[str, str]], progress: LexiconProgress | None = None) -> Lexicon:
    vocabulary = Vocabulary(count_phrases([text for text, _ in examples], max_words=1), Letters())
    settings = LexiconSettings(neighbours=40)
    return learn_lexicon(examples, retriever=Blind(), vocabulary=vocabulary, settings=settings, progress=progress)


@pytest.fixture(scope="module")
def lexicon() -> Lexicon:
    return learnt(corpus())


def test_feedback_over_the_corpus_finds_the_common_word_without_knowing_any_meaning(lexicon: Lexicon) -> None:
    # the sentence encoder is blind here, so only the targets can have told
    assert {phrase: row[0].wording for phrase, row in lexicon.preferences.items()} == RARE


def test_words_the_retriever_knows_have_no_preference(lexicon: Lexicon) -> None:
    assert COMMON.isdisjoint(lexicon.preferences)
    assert lexicon.phrases >= COMMON


def test_the_lexicon_does_not_depend_on_the_order_of_the_corpus(lexicon: Lexicon) -> None:
    assert learnt(corpus()[::-1]) == lexicon


def test_it_tells_how_far_its_trials_are_and_few_at_once_find_the_same(
    lexicon: Lexicon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lexicon_module, "TRIED_AT_ONCE", 20)
    told: dict[int, list[tuple[int, int]]] = {1: [], 2: []}
    assert learnt(corpus(), lambda stage, done, total: told[stage].append((done, total))) == lexicon
    for moves in told.values():
        (total,) = {total for _, total in moves}
        assert [done for done, _ in moves] == [*range(0, total, 20), total]


def test_json_round_trip(lexicon: Lexicon) -> None:
    assert lexicon_from_json(lexicon_json(lexicon)) == lexicon


def test_the_longest_phrase_wins() -> None:
    better = (Preference("boat", 0.5, 3),)
    lexicon = Lexicon(frozenset(("small craft", "small", "craft", "red")), {"small craft": better, "small": better})
    assert [phrase for _, phrase in lexicon.segments("a red small craft, small")] == ["red", "small craft", "small"]
    assert [phrase for _, phrase in lexicon.challenging("a red craft")] == []


def case(text: str, target: str) -> ReviewCase:
    return ReviewCase(Query("q", text), text, Ranking("q", (Hit("other", 0.9),)), target, 1)


def test_a_review_names_every_challenging_phrase_and_words_it_as_preferred(lexicon: Lexicon) -> None:
    reviewer = LexicalReviewer(lexicon)
    assert isinstance(reviewer, Reviewer)
    cases = [case("one crimson hound", "red-dog"), case("a green cat", "green-cat")]
    found, none = (reviewed.answer for reviewed in reviewer.review(cases))
    assert isinstance(found, Review)
    assert found.concepts == ("crimson", "hound")
    assert found.rewrites[0] == "one red dog"
    assert isinstance(none, Review)
    assert (none.concepts, none.rewrites) == ((), ())


def test_the_perturber_puts_rare_words_into_plain_queries_only(lexicon: Lexicon) -> None:
    perturber = LexicalPerturber(lexicon)
    assert isinstance(perturber, Perturber)
    plain, challenging = perturber.perturb(["a red dog", "a crimson dog"])
    assert challenging.answer == ()
    assert isinstance(plain.answer, tuple)
    assert plain.answer
    for variant in plain.answer:
        assert set(variant.concepts) <= {"crimson", "hound"}
        assert all(concept in variant.text for concept in variant.concepts)
    assert perturber.perturb(["a red dog"]) == [plain]


@pytest.mark.parametrize("wrong", [{"neighbours": 0}, {"survivors": 0}, {"more_queries": -1}, {"max_words": 0}])
def test_settings_out_of_range_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        LexiconSettings(**wrong)  # type: ignore[arg-type]
