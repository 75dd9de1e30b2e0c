"""Lists of candidates as tensors, best first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from raqo.training.completions import pad_pairs
from raqo.training.rows import Pair, RankedList
from raqo.training.tokens import TokenPair, encode_pairs


@dataclass(frozen=True, slots=True)
class TokenList:
    """One list, best first, tokenised. `length` is k in the weight (k-1)^2 of the likelihood term."""

    candidates: tuple[TokenPair, ...]
    rewards: tuple[float, ...]
    length: int


def sort_candidates(row: RankedList, *, ranking_length: int) -> RankedList:
    """Order a list by falling reward (ties keep their order) and keep the best `ranking_length`."""
    order = sorted(range(len(row.rewards)), key=lambda i: -row.rewards[i])[:ranking_length]
    return RankedList(row.prompt, tuple(row.completions[i] for i in order), tuple(row.rewards[i] for i in order))


def encode_lists(
    tokenizer: Any, rows: Sequence[RankedList], replay: Sequence[Pair], *, ranking_length: int, max_length: int
) -> list[TokenList]:
    """Tokenise sorted lists; candidates that are too long, and lists left without two, are dropped.

    A replayed row is a list of one candidate that weighs as much as a full list: it has no ranking to learn, only the
    likelihood term.
    """
    ranked = [sort_candidates(row, ranking_length=ranking_length) for row in rows]
    ranked += [RankedList(pair.prompt, (pair.completion,), (0.0,)) for pair in replay]
    flat = [(row.prompt, text) for row in ranked for text in row.completions]
    tokens = iter(encode_pairs(tokenizer, [prompt for prompt, _ in flat], [text for _, text in flat]))
    lists = []
    for index, row in enumerate(ranked):
        fitting = [(pair, r) for r in row.rewards if len(pair := next(tokens)) <= max_length]
        replayed = index >= len(rows)
        if len(fitting) >= (1 if replayed else 2):
            length = ranking_length if replayed else len(fitting)
            lists.append(TokenList(tuple(p for p, _ in fitting), tuple(r for _, r in fitting), length))
    return lists


class ListCollator:
    """Makes one batch of B lists: all candidates flattened to (N, P + C), and where they belong in (B, K)."""

    def __init__(self, pad_id: int) -> None:
        self._pad_id = pad_id

    def __call__(self, lists: Sequence[TokenList]) -> dict[str, Tensor]:
        """Build the tensors.

        Returns:
            What `pad_pairs` does for the N candidates; ``mask``, ``rewards``: (B, K); ``lengths``: (B,).
        """
        size = max(len(item.rewards) for item in lists)
        rewards = [[*item.rewards, *[0.0] * (size - len(item.rewards))] for item in lists]
        counts = torch.tensor([len(item.rewards) for item in lists])
        return {
            **pad_pairs([pair for item in lists for pair in item.candidates], self._pad_id),
            "mask": torch.arange(size) < counts[:, None],
            "rewards": torch.tensor(rewards, dtype=torch.float32),
            "lengths": torch.tensor([item.length for item in lists]),
        }
