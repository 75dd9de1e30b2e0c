"""How alike two wordings are, by a sentence encoder."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from raqo.protocols import FloatArray, TextEncoder

# Cosines are compared with thresholds and written to disk: float32 noise must not reach either.
DECIMALS = 5


class TextCosine:
    """Cosines between texts; a text is encoded once in the life of the object (one batch of queries)."""

    def __init__(self, encoder: TextEncoder) -> None:
        self._encoder = encoder
        self._rows: dict[str, FloatArray] = {}

    def __call__(self, left: Sequence[str], right: Sequence[str]) -> list[float]:
        """Compare left[i] with right[i]; equal texts give exactly 1 and are not encoded."""
        compared = [text for pair in zip(left, right, strict=True) if pair[0] != pair[1] for text in pair]
        missing = [text for text in dict.fromkeys(compared) if text not in self._rows]
        if missing:
            self._rows.update(zip(missing, self._encoder.encode_texts(missing), strict=True))
        return [
            1.0 if a == b else round(float(np.dot(self._rows[a].astype(np.float64), self._rows[b])), DECIMALS)
            for a, b in zip(left, right, strict=True)
        ]
