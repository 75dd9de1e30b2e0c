"""Counting the words of a corpus in one pass: the counts are those of phrases, and the corpus is read once."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from raqo.agents.corpus_words import count_words
from raqo.agents.feedback_expander import FeedbackExpander, FeedbackExpanderSettings
from raqo.agents.spans import forms_of, words_of
from raqo.agents.vocabulary import count_phrases, most_frequent_words

texts = st.text(st.sampled_from("aAßİ'’- .,_1Éx the"), max_size=40)


@given(st.one_of(texts, st.text(max_size=40)))
def test_forms_are_those_of_the_words(text: str) -> None:
    assert forms_of(text) == [word.form for word in words_of(text)]


@given(st.lists(texts, max_size=20), st.integers(1, 9))
def test_the_most_frequent_words_are_the_phrases_of_one_word(corpus: list[str], size: int) -> None:
    counts: dict[str, int] = {}
    for text in corpus:
        for form in forms_of(text):
            counts[form] = counts.get(form, 0) + 1
    by_phrases = count_phrases(corpus, max_words=1, max_size=size)
    assert list(most_frequent_words(counts, max_size=size).items()) == list(by_phrases.items())


def test_the_expander_reads_a_corpus_once_and_one_passage_after_another() -> None:
    class Encoder:
        fingerprint = "none"

        def encode_texts(self, texts: list[str]) -> np.ndarray:
            encoded.extend(texts)
            return np.ones((len(texts), 1), dtype=np.float32)

    encoded: list[str] = []
    passages = iter(["The boat is red, the boat sails", "a lighthouse by the boat"])
    FeedbackExpander(count_words(passages), Encoder(), settings=FeedbackExpanderSettings(vocabulary=3))
    assert next(passages, None) is None
    assert encoded == ["boat", "lighthouse", "red"]
