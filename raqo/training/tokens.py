"""Prompt and completion to token ids: the completion ends with the end token and is all that is learnt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from raqo.errors import DataError, message


@dataclass(frozen=True, slots=True)
class TokenPair:
    """Token ids of a prompt, and of its completion with the end token."""

    prompt: list[int]
    completion: list[int]

    def __len__(self) -> int:
        return len(self.prompt) + len(self.completion)


def encode_pairs(tokenizer: Any, prompts: Sequence[str], completions: Sequence[str]) -> list[TokenPair]:
    """Tokenise each completion in the context of its prompt.

    Prompt and completion are read together, as they will be generated; the completion starts where that differs from
    the prompt alone. Special tokens spelt out in the data stay text.

    Raises:
        DataError: a prompt is empty.
    """
    if not prompts:
        return []
    alone = tokenizer(list(prompts), split_special_tokens=True, verbose=False)["input_ids"]
    texts = [prompt + completion for prompt, completion in zip(prompts, completions, strict=True)]
    both = tokenizer(texts, split_special_tokens=True, verbose=False)["input_ids"]
    pairs = [_split(prompt, ids, tokenizer.eos_token_id) for prompt, ids in zip(alone, both, strict=True)]
    for row, pair in enumerate(pairs):
        if not pair.prompt:
            problem = f"row {row} has a prompt without a token ({prompts[row]!r})"
            raise DataError(message("training rows", problem, "give every completion a prompt"))
    return pairs


def _split(prompt: list[int], ids: list[int], end: int) -> TokenPair:
    if ids[-1] != end:
        ids = [*ids, end]
    if prompt and prompt[-1] == end:  # a tokenizer that closes every text
        prompt = prompt[:-1]
    shared = next((i for i, (a, b) in enumerate(zip(prompt, ids, strict=False)) if a != b), min(len(prompt), len(ids)))
    return TokenPair(ids[:shared], ids[shared:])
