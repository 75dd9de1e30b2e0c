import numpy as np
import pytest

from raqo.agents.picture_keywords import KeywordSettings, PictureKeywords
from raqo.errors import ConfigError, DataError
from raqo.records import FailureKind

WORDS = ("dog", "cat", "bell")


class OneHotEncoder:
    """Pictures are named after what they show; ``broken`` cannot be read. Counts its calls."""

    fingerprint, context_length = "one-hot", 77

    def __init__(self):
        self.calls = 0

    def encode_texts(self, texts):
        return np.array([[float(word in text) for word in WORDS] for text in texts], dtype=np.float32)

    def encode_images(self, paths):
        self.calls += 1
        if "broken" in paths:
            raise DataError("broken: cannot be read; replace it.")
        rows = np.array([[3.0 * (word in path.split("-")[:1]) + (word in path) for word in WORDS] for path in paths])
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)

    def token_counts(self, texts):
        return [1 for _ in texts]


def keywords(encoder, words, **settings):
    return PictureKeywords(encoder, words, settings=KeywordSettings(**settings))


def answers(n, *paths):
    return [one.answer for one in keywords(OneHotEncoder(), WORDS, n=n).caption(paths)]


def test_the_nearest_words_come_first_and_ties_by_their_order():
    assert answers(2, "cat-dog", "bell") == ["cat, dog", "bell, dog"]
    assert answers(9, "dog") == ["dog, cat, bell"]
    assert answers(1) == []


def test_a_broken_picture_is_a_typed_failure_and_spares_the_others():
    first, broken, last = answers(1, "dog", "broken", "cat")
    assert (first, last) == ("dog", "cat")
    assert broken.kind is FailureKind.TRANSPORT


def test_pictures_are_encoded_in_one_call():
    encoder = OneHotEncoder()
    keywords(encoder, WORDS, n=1).caption(["dog", "cat", "bell"])
    assert encoder.calls == 1


def test_nothing_to_choose_from_is_refused():
    with pytest.raises(DataError, match="no words"):
        keywords(OneHotEncoder(), ())
    with pytest.raises(ConfigError, match="got 0; give at least 1"):
        KeywordSettings(n=0)
    with pytest.raises(ConfigError, match="write {} once"):
        KeywordSettings(template="a picture")
