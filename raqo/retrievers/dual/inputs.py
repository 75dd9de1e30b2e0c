"""Questions, pictures and passages as the tensors that the dual encoder reads."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from raqo._transformers import quiet_transformers
from raqo.errors import DataError, message
from raqo.retrievers.encodable import encodable
from raqo.retrievers.images import open_image

PICTURES_KEPT = 256 << 20
"""Bytes of prepared pictures that are kept: training reads each one many times."""


class DualInputs:
    """Tokenizers and picture preparation of a dual encoder; all of them come from its folder.

    Args:
        questions: tokenizer of the questions.
        passages: tokenizer of the passages.
        pictures: a `ViltImageProcessorPil`.
        question_length: tokens read of a question, special tokens included.
        passage_length: tokens read of a passage, special tokens included.
    """

    def __init__(
        self, questions: Any, passages: Any, pictures: Any, *, question_length: int, passage_length: int
    ) -> None:
        self.question_tokenizer = questions
        self.passage_tokenizer = passages
        self.picture_processor = pictures
        self.question_length = question_length
        self.passage_length = passage_length
        side = int(pictures.size["shortest_edge"])
        self.picture = functools.lru_cache(max(1, PICTURES_KEPT // (3 * side * side * 4)))(self._read)

    def questions(self, texts: Sequence[str], images: Sequence[str | None]) -> dict[str, Tensor]:
        """Tokens and pixels of questions; a question without a picture gets an empty one.

        Raises:
            DataError: a picture cannot be read.
        """
        pixels = [None if image is None else self.picture(image) for image in images]
        height = max((one.shape[1] for one in pixels if one is not None), default=self._patch)
        width = max((one.shape[2] for one in pixels if one is not None), default=self._patch)
        empty = torch.zeros(3, 0, 0)
        placed = [_placed(empty if one is None else one, height, width) for one in pixels]
        return {
            **_tokens(self.question_tokenizer, texts, self.question_length),
            "pixel_values": torch.stack([one for one, _ in placed]),
            "pixel_mask": torch.stack([mask for _, mask in placed]),
        }

    def passages(self, texts: Sequence[str]) -> dict[str, Tensor]:
        """Tokens of passages; what is too long is cut."""
        return _tokens(self.passage_tokenizer, texts, self.passage_length)

    def question_counts(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each question before any truncation, special tokens included."""
        if not texts:
            return []
        found = self.question_tokenizer([encodable(text) for text in texts], truncation=False, verbose=False)
        return [len(ids) for ids in found["input_ids"]]

    def save(self, query: Path, knowledge: Path) -> None:
        """Write tokenizers and picture settings beside the two models."""
        self.question_tokenizer.save_pretrained(query)
        self.picture_processor.save_pretrained(query)
        self.passage_tokenizer.save_pretrained(knowledge)

    @property
    def _patch(self) -> int:
        return int(self.picture_processor.size_divisor)

    def _read(self, path: str) -> Tensor:
        """One prepared picture: (3, H, W)."""
        image = open_image(path)
        try:
            with quiet_transformers():
                pixels: Tensor = self.picture_processor(image, return_tensors="pt")["pixel_values"][0]
        except ValueError as error:  # a side of no patch at all is left of a narrow picture
            problem = f"{image.width} x {image.height} pixels cannot be fitted to the model"
            raise DataError(message(path, problem, "give a picture that is less narrow")) from error
        return pixels


def _tokens(tokenizer: Any, texts: Sequence[str], length: int) -> dict[str, Tensor]:
    clean = [encodable(text) for text in texts]
    found = tokenizer(clean, padding=True, truncation=True, max_length=length, return_tensors="pt", verbose=False)
    return {"input_ids": found["input_ids"], "attention_mask": found["attention_mask"]}


def _placed(pixels: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
    """A picture in the upper left corner of a larger one, and where it is."""
    room = (0, width - pixels.shape[2], 0, height - pixels.shape[1])
    there = torch.ones(pixels.shape[1:], dtype=torch.long)
    return functional.pad(pixels, room), functional.pad(there, room)
