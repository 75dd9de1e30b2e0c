"""A trained dual encoder as what `DenseRetriever` searches with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from raqo.protocols import FloatArray
from raqo.records import Query
from raqo.retrievers.dual.folder import LoadedDual, load_dual


class DualQuestionEncoder:
    """Reads questions with or without pictures by one encoder, passages by the other.

    The vectors have no unit length: their inner product is the score, as trained. A text gets a vector that differs in
    the last digits when it comes with others.
    """

    def __init__(self, loaded: LoadedDual, *, device: str = "auto", batch_size: int = 32) -> None:
        where = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
        self._model = loaded.model.eval().to(where)
        self._inputs = loaded.inputs
        self._device = where
        self._batch_size = batch_size
        self.fingerprint = f"{loaded.name}@{loaded.weights}"

    @classmethod
    def load(cls, folder: str, *, device: str = "auto", batch_size: int = 32) -> DualQuestionEncoder:
        """Load the folder of a trained dual encoder.

        Raises:
            DataError: it is none, or a file in it was changed.
        """
        return cls(load_dual(Path(folder)), device=device, batch_size=batch_size)

    @property
    def context_length(self) -> int:
        """The most tokens of a question that are read, special tokens included."""
        return self._inputs.question_length

    def token_counts(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each question before any truncation."""
        return self._inputs.question_counts(texts)

    def encode_queries(self, queries: Sequence[Query]) -> FloatArray:
        """Encode questions, each with its picture where it has one, to float32 of shape (n, d).

        Raises:
            DataError: a picture cannot be read.
        """
        parts = [np.zeros((0, self._width), dtype=np.float32)]
        for start in range(0, len(queries), self._batch_size):
            batch = queries[start : start + self._batch_size]
            inputs = self._inputs.questions([one.text for one in batch], [one.image for one in batch])
            with torch.inference_mode():
                encoded = self._model.encode_questions({name: part.to(self._device) for name, part in inputs.items()})
            parts.append(encoded.float().cpu().numpy())
        return np.concatenate(parts)

    def encode_texts(self, texts: Sequence[str]) -> FloatArray:
        """Encode passages to float32 of shape (n, d); texts of like length go together."""
        vectors = np.zeros((len(texts), self._width), dtype=np.float32)
        order = sorted(range(len(texts)), key=lambda row: len(texts[row]))
        for start in range(0, len(texts), self._batch_size):
            rows = order[start : start + self._batch_size]
            inputs = self._inputs.passages([texts[row] for row in rows])
            with torch.inference_mode():
                encoded = self._model.encode_passages({name: part.to(self._device) for name, part in inputs.items()})
            vectors[rows] = encoded.float().cpu().numpy()
        return vectors

    @property
    def _width(self) -> int:
        return int(self._model.query.config.hidden_size)
