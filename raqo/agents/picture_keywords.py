"""Keywords of pictures from an image and text encoder, where nobody describes them (QueryFormer without caption)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from raqo.agents.captioner import Captioned
from raqo.errors import ConfigError, DataError, message
from raqo.protocols import Encoder
from raqo.records import Cost, Failure, FailureKind


@dataclass(frozen=True, slots=True, kw_only=True)
class KeywordSettings:
    """How pictures are put into keywords.

    Attributes:
        model: a CLIP model, named as in ``retriever.model``.
        words: file of the words that can be named, one a line; by default the nouns of the training captions.
        n: words named for each picture.
        template: a sentence of the kind the model was trained on, with ``{}`` for the word.
    """

    model: str = "open_clip:ViT-B-32/openai"
    words: str | None = None
    n: int = 3
    template: str = "a picture of a {}"

    def __post_init__(self) -> None:
        if self.n < 1:
            raise ConfigError(message("keywords.n", f"got {self.n}", "give at least 1"))
        if self.template.count("{}") != 1:
            raise ConfigError(message("keywords.template", f"got {self.template!r}", "write {} once, for the word"))


class PictureKeywords:
    """Names what a picture shows, out of a fixed list of words (zero-shot classification; CLIP, Radford et al. 2021).

    Stands in for a `raqo.agents.captioner.Captioner`; its captions are lists of names.

    Args:
        encoder: of pictures and texts.
        words: that can be named; not empty.
        settings: how many are named, and how they are asked for.

    Raises:
        DataError: there are no words.
    """

    def __init__(self, encoder: Encoder, words: Sequence[str], *, settings: KeywordSettings | None = None) -> None:
        settings = settings or KeywordSettings()
        if not words:
            raise DataError(message("picture keywords", "there are no words to choose from", "give some"))
        self._encoder = encoder
        self._words = tuple(dict.fromkeys(words))
        self._rows = encoder.encode_texts([settings.template.replace("{}", word) for word in self._words])
        self._n = settings.n

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
