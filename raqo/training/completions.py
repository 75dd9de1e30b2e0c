"""Prompts with completions as tensors, and the log-probabilities of the completions.

Prompts are padded left and completions right, so that completions align at the end of the rows and the model makes
logits for them only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from raqo.training.tokens import TokenPair


def pad_pairs(pairs: Sequence[TokenPair], pad_id: int) -> dict[str, Tensor]:
    """Make a batch of N rows of the longest prompt P and the longest completion C.

    Returns:
        ``input_ids``, ``attention_mask``, ``position_ids``: (N, P + C); ``completion_mask``: (N, C), the end token
        included.
    """
    width, tail = max(len(pair.prompt) for pair in pairs), max(len(pair.completion) for pair in pairs)
    input_ids = torch.full((len(pairs), width + tail), pad_id)
    attended = torch.zeros((len(pairs), width + tail), dtype=torch.long)
    for row, pair in enumerate(pairs):
        span = slice(width - len(pair.prompt), width + len(pair.completion))
        input_ids[row, span] = torch.tensor(pair.prompt + pair.completion)
        attended[row, span] = 1
    return {
        "input_ids": input_ids,
        "attention_mask": attended,
        "position_ids": (attended.cumsum(1) - 1).clamp(min=0),
        "completion_mask": attended[:, width:].bool(),
    }


def completion_logps(model: Any, batch: dict[str, Tensor]) -> Tensor:
    """Log-probability of each token of the completions of `pad_pairs`, row by row: float32 of shape (tokens,)."""
    chosen = batch["completion_mask"]
    tail = chosen.shape[1]
    logits = model(
        input_ids=batch["input_ids"],
        attention_mask=batch["attention_mask"],
        position_ids=batch["position_ids"],
        logits_to_keep=tail + 1,
        use_cache=False,
    ).logits[:, :-1]
    targets = batch["input_ids"][:, -tail:]
    return -torch.nn.functional.cross_entropy(logits[chosen].float(), targets[chosen], reduction="none")
