"""An encoder without weights: a text is the sum of fixed random vectors of its words."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np

from raqo.protocols import FloatArray


class WordEncoder:
    """Counts in `encoded` the texts it was given."""

    def __init__(self, dimension: int = 16, *, limit: int | None = 20) -> None:
        self.context_length = limit
        self.fingerprint = f"words:{dimension}"
        self.encoded: list[str] = []
        self._dimension = dimension
        self._words: dict[str, np.ndarray] = {}  # type: ignore[type-arg]

    def token_counts(self, texts: Sequence[str]) -> list[int]:
        return [len(text.split()) for text in texts]

    def encode_texts(self, texts: Sequence[str]) -> FloatArray:
        self.encoded += texts
        rows = [sum((self._word(word) for word in text.split()), self._word("")) for text in texts]
        vectors = np.array(rows, dtype=np.float32).reshape(len(texts), self._dimension)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    def _word(self, word: str) -> np.ndarray:  # type: ignore[type-arg]
        if word not in self._words:
            seed = zlib.crc32(word.encode("utf-8", "surrogatepass"))
            self._words[word] = np.random.default_rng(seed).standard_normal(self._dimension)
        return self._words[word]
