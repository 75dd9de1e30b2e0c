"""A batch of a small model on a CPU in parts of similar length, computed side by side with one thread of torch each.

A part is padded to its own longest row, and the operations of a part are too small to be worth splitting over threads
(`raqo._torch_threads`). Without dropout the step is that of the whole batch, but for rounding.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor
from transformers import Trainer

from raqo._torch_threads import add_gradients, is_small

PART_TOKENS = 1000
"""Tokens of a part, about; the same on every machine, so that sums do not depend on its threads."""

EVEN = 4
"""Parts are made for a multiple of so many threads, so that all end at about the same time."""

Item = TypeVar("Item")
Collate = Callable[[Sequence[Item]], dict[str, Tensor]]


@dataclass(frozen=True, slots=True)
class PartCollator(Generic[Item]):
    """Collates a batch as parts.

    Attributes:
        collate: makes the tensors of a part.
        length: tokens of an item's longest row.
        tokens: of all rows of an item.
        weight: what an item weighs in the loss of a batch, which is a mean.
    """

    collate: Collate[Item]
    length: Callable[[Item], int]
    tokens: Callable[[Item], int]
    weight: Callable[[Item], float]

    def __call__(self, items: Sequence[Item]) -> dict[str, Any]:
        """Return ``parts``, tensors of each, and ``shares`` of the loss, which add up to 1."""
        # the longest first: the short ones at the end keep all threads busy
        parts = list(self._parts(sorted(items, key=self.length, reverse=True)))
        weights = [sum(map(self.weight, part)) for part in parts]
        return {
            "parts": [self.collate(part) for part in parts],
            "shares": [weight / sum(weights) for weight in weights],
        }

    def _parts(self, items: Sequence[Item]) -> Iterator[list[Item]]:
        """Parts of about equally many tokens."""
        total = sum(map(self.tokens, items))
        count = EVEN * math.ceil(total / (EVEN * PART_TOKENS))
        part: list[Item] = []
        done, ended = 0, 0
        for item in items:
            part.append(item)
            done += self.tokens(item)
            if done * count >= total * (ended + 1):
                yield part
                part, ended = [], done * count // total


class PartsTrainer(Trainer):  # type: ignore[misc]
    """Takes batches of a `PartCollator`, and others as any trainer does."""

    _draws: bool | None = None

    def training_step(self, model: Any, inputs: Mapping[str, Any], num_items_in_batch: Any = None) -> Tensor:
        """Add the gradients of a batch to the model's; returns its loss."""
        if "parts" not in inputs:
            loss: Tensor = super().training_step(model, inputs, num_items_in_batch)
            return loss
        model.train()
        parts = list(zip(inputs["parts"], inputs["shares"], strict=True))
        if self._draws is None:
            self._draws = draws_numbers(model, inputs["parts"][0])
        return add_gradients(
            lambda part: part[1] * self.compute_loss(model, part[0]), parts, model, side_by_side=not self._draws
        )


def draws_numbers(model: Any, part: Mapping[str, Tensor]) -> bool:
    """Whether a model on the CPU takes random numbers as it learns (dropout); the generator stays as it was."""
    before = torch.get_rng_state()
    with torch.no_grad():
        model(input_ids=part["input_ids"], attention_mask=part["attention_mask"], use_cache=False)
    after = torch.get_rng_state()
    torch.set_rng_state(before)
    return not torch.equal(before, after)


def in_parts(model: Any, arguments: Any) -> bool:
    """Whether a model learns in parts: a small one on a CPU, in one process, that takes its batches whole."""
    alone = arguments.device.type == "cpu" and arguments.world_size == 1
    return is_small(model) and alone and arguments.gradient_accumulation_steps == 1
