"""Keywords of pictures from an image and text encoder, where nobody describes them (QueryFormer without caption)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from raqo.agents.captioner import Captioned
from raqo.errors import ConfigError, DataError, message
from raqo.protocols import Encoder
from raqo.records import Cost, Failure, FailureKind


class PictureKeywords:
    """Names what a picture shows, out of a fixed list of words (zero-shot classification; CLIP, Radford et al. 2021).

    Stands in for a `raqo.agents.captioner.Captioner`; its captions are lists of names.

    Args:
        encoder: of pictures and texts.
        words: that can be named; not empty.
        n: words named for each picture.
        template: a sentence of the kind the encoder was trained on, with ``{}`` for the word.

    Raises:
        ConfigError: n is below 1.
        DataError: there are no words.
    """

    def __init__(self, encoder: Encoder, words: Sequence[str], *, n: int, template: str = "a picture of a {}") -> None:
        if n < 1:
            raise ConfigError(message("picture keywords", f"{n} wanted", "ask for at least 1"))
        if not words:
            raise DataError(message("picture keywords", "there are no words to choose from", "give some"))
        self._encoder = encoder
        self._words = tuple(dict.fromkeys(words))
        self._rows = encoder.encode_texts([template.format(word) for word in self._words])
        self._n = n

    def caption(self, paths: Sequence[str]) -> list[Captioned]:
        """The words nearest to each picture, nearest first, ties by order; one that cannot be read is a failure."""
        if not paths:
            return []
        try:
            rows = self._encoder.encode_images(paths)
        except DataError as error:
            if len(paths) == 1:
                return [Captioned(Failure(FailureKind.TRANSPORT, f"cannot read a picture: {error}", 0), Cost())]
            return [found for path in paths for found in self.caption([path])]
        cosines = np.round(rows @ self._rows.T, 5)
        best = [np.argsort(-row, kind="stable")[: self._n] for row in cosines]
        return [Captioned(", ".join(self._words[at] for at in order), Cost()) for order in best]
