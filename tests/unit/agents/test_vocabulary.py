from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from raqo.agents.vocabulary import Vocabulary, count_phrases
from raqo.errors import DataError
from raqo.protocols import FloatArray

# two axes: cosine with "boat" is the first one
ANGLES = {"boat": 0, "ship": 20, "dinghy": 40, "dog": 90, "vessel": 20, "canoe": 30}


class AngleEncoder:
    fingerprint = "angles"

    def __init__(self) -> None:
        self.seen: list[str] = []

    def encode_texts(self, texts: Sequence[str]) -> FloatArray:
        self.seen += texts
        radians = np.radians([ANGLES[text] for text in texts])
        return np.stack([np.cos(radians), np.sin(radians)], axis=1).astype(np.float32)


def test_phrases_are_words_and_fixed_expressions() -> None:
    texts = [
        *["a red boat on top of a traffic light"] * 6,
        *["a red dog on top of a blue boat"] * 6,
        *["a red cup, boat"] * 6,
        *["a blue cup in the light"] * 6,
    ]
    counts = count_phrases(texts)
    assert counts["red"] == 18
    assert counts["traffic light"] == 6
    assert counts["on top of"] == 12
    assert "cup boat" not in counts
    assert "a" not in counts
    assert "on" not in counts
    assert list(counts.values()) == sorted(counts.values(), reverse=True)


def test_free_combinations_and_seldom_phrases_are_no_phrases() -> None:
    texts = [
        f"a {colour} {thing}" for colour in ("red", "blue", "green", "pink") for thing in ("cup", "hat", "dog", "pig")
    ]
    counts = count_phrases([*texts * 5, "quaint hovel"])
    assert all(" " not in phrase for phrase in counts)
    assert counts["hovel"] == 1
    assert "quaint hovel" in count_phrases(["quaint hovel"], min_count=1)


def test_the_rarest_words_give_way() -> None:
    assert list(count_phrases(["red red blue", "red blue pink"], max_size=2)) == ["red", "blue"]


def test_neighbours_are_near_in_meaning() -> None:
    vocabulary = Vocabulary({"boat": 1, "ship": 1, "dinghy": 1, "dog": 1}, AngleEncoder())
    (row,) = vocabulary.neighbours(["boat"], k=2)
    assert [near.text for near in row] == ["ship", "dinghy"]
    assert row[0].cosine == pytest.approx(np.cos(np.radians(20)), abs=1e-4)


def test_commonness_moves_common_or_rare_phrases_up() -> None:
    vocabulary = Vocabulary({"ship": 1, "dinghy": 1000}, AngleEncoder())
    assert [near.text for near in vocabulary.neighbours(["boat"], k=2)[0]] == ["ship", "dinghy"]
    assert [near.text for near in vocabulary.neighbours(["boat"], k=2, commonness=0.5)[0]] == ["dinghy", "ship"]
    assert [near.text for near in vocabulary.neighbours(["dinghy"], k=2, commonness=-0.5)[0]] == ["ship"]


def test_ties_are_ordered_by_text_whatever_is_cut() -> None:
    vocabulary = Vocabulary({"vessel": 5, "ship": 5, "canoe": 1}, AngleEncoder())
    assert [near.text for near in vocabulary.neighbours(["boat"], k=1)[0]] == ["ship"]
    assert [near.text for near in vocabulary.neighbours(["dinghy"], k=3)[0]] == ["canoe", "ship", "vessel"]


def test_a_span_is_encoded_once() -> None:
    encoder = AngleEncoder()
    vocabulary = Vocabulary({"boat": 1, "ship": 1}, encoder)
    first = vocabulary.neighbours(["dog", "dog"], k=1)
    assert vocabulary.neighbours(["dog"], k=1) == first[:1]
    assert encoder.seen.count("dog") == 1


def test_no_neighbours_of_nothing() -> None:
    assert Vocabulary({"boat": 1}, AngleEncoder()).neighbours([], k=3) == []


def test_an_empty_corpus_is_refused() -> None:
    with pytest.raises(DataError, match="no words"):
        Vocabulary(count_phrases([]), AngleEncoder())
