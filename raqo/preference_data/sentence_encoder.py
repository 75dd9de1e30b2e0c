"""Sentence vectors, to keep rewrites close to what the user meant."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from raqo.protocols import TextEncoder
from raqo.retrievers.dense.sentence_encoder import SentenceEncoder

__all__ = ["SentenceEncoder", "text_similarities"]

SIMILARITY_DIGITS = 4  # batches of another make-up change the last digits; what is stored must not depend on them


def text_similarities(encoder: TextEncoder, originals: Sequence[str], texts: Sequence[str]) -> list[float]:
    """Cosine of text i with original i, to four digits, encoded in one batch."""
    vectors = encoder.encode_texts([*originals, *texts])
    cosines = np.einsum("nd,nd->n", vectors[: len(originals)], vectors[len(originals) :])
    return [round(float(cosine), SIMILARITY_DIGITS) for cosine in cosines]
