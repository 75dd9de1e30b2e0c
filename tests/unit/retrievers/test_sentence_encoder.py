from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from raqo.errors import ConfigError
from raqo.retrievers.dense.sentence_encoder import SentenceEncoder

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "red", "boat", "dog", "##s"]


def _write_model(folder: Path, *, seed: int = 0) -> Path:
    import torch
    from sentence_transformers import SentenceTransformer
    from transformers import BertConfig, BertModel, BertTokenizerFast

    shape = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = BertModel(BertConfig(vocab_size=len(WORDS), max_position_embeddings=12, initializer_range=1.0, **shape))
    model.save_pretrained(folder / "bert")
    vocabulary = {word: at for at, word in enumerate(WORDS)}
    BertTokenizerFast(vocab=vocabulary, model_max_length=12).save_pretrained(folder / "bert")
    SentenceTransformer(str(folder / "bert")).save(str(folder / "sentences"))
    return folder / "sentences"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _write_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def encoder(folder: Path) -> SentenceEncoder:
    return SentenceEncoder(str(folder), cache_size=3)


def test_rows_are_unit_vectors_in_the_order_given(encoder: SentenceEncoder) -> None:
    vectors = encoder.encode_texts(["red boat", "dog", "red boat", "boats", "red", "dog"])
    assert (vectors.dtype, vectors.shape) == (np.float32, (6, 16))
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(vectors[0], vectors[2])
    assert not np.allclose(vectors[0], vectors[1], atol=1e-3)
    again = np.concatenate([encoder.encode_texts([text]) for text in ("red boat", "dog", "boats")])
    np.testing.assert_allclose(again, vectors[[0, 1, 3]], atol=1e-6)
    assert encoder.encode_texts([]).shape == (0, 16)


def test_the_cache_is_bounded(encoder: SentenceEncoder) -> None:
    encoder.encode_texts(["red", "dog", "boat", "dogs", "red dog"])
    assert list(encoder._cache) == ["boat", "dogs", "red dog"]


def test_tokens_are_counted_before_truncation(encoder: SentenceEncoder) -> None:
    assert encoder.token_counts(["red boats", "", "dog " * 500]) == [5, 2, 502]
    assert encoder.token_counts([]) == []
    assert encoder.context_length == 12


def test_text_that_tokenizers_refuse_is_read(encoder: SentenceEncoder) -> None:
    lone, asked = encoder.encode_texts(["red \ud800", "red ?"])
    np.testing.assert_allclose(lone, asked, atol=1e-6)
    assert encoder.token_counts(["\ud800"]) == encoder.token_counts(["?"])


@pytest.mark.parametrize("other", [SentenceEncoder.token_counts, SentenceEncoder.encode_texts])
def test_the_tokenizer_is_used_by_one_thread_at_a_time(
    folder: Path, other: Callable[[SentenceEncoder, list[str]], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = SentenceEncoder(str(folder))
    kind = type(encoder._network.tokenizer)
    tokenize, both, uses = kind.__call__, threading.Barrier(2), []

    def meeting(*args: Any, **kwargs: Any) -> Any:
        """Wait inside for a second thread."""
        with suppress(threading.BrokenBarrierError):
            both.wait(timeout=1)
        uses.append(both.broken)
        return tokenize(*args, **kwargs)

    monkeypatch.setattr(kind, "__call__", meeting)
    with ThreadPoolExecutor(2) as pool:
        counted, used = pool.submit(encoder.token_counts, ["red boats"]), pool.submit(other, encoder, ["dog"])
        used.result()
    assert counted.result() == [5]
    assert uses == [True, True]


def test_the_fingerprint_follows_the_weights(folder: Path, encoder: SentenceEncoder, tmp_path: Path) -> None:
    assert encoder.fingerprint == SentenceEncoder(str(folder)).fingerprint
    assert encoder.fingerprint.startswith("sentences:")
    assert SentenceEncoder(str(_write_model(tmp_path, seed=1))).fingerprint != encoder.fingerprint


def test_pickled_weights_are_refused(folder: Path, tmp_path: Path) -> None:
    import torch

    for path in folder.rglob("*"):
        if path.is_file() and path.name != "model.safetensors":
            target = tmp_path / path.relative_to(folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    torch.save({}, tmp_path / "pytorch_model.bin")
    with pytest.raises(ConfigError, match="give a folder with safetensors weights"):
        SentenceEncoder(str(tmp_path)).encode_texts(["red"])
