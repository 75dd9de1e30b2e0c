"""Rare wordings from a chat model (RAQO, 'Unambiguous Query Perturbation'; EchoPrompt)."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from pydantic import BaseModel, ConfigDict

from raqo.agents.asking import ask, quoted
from raqo.agents.prompts import template
from raqo.protocols import Chat, Perturbation
from raqo.records import Failure


class _Variant(BaseModel):
    model_config = ConfigDict(extra="ignore")

    text: str
    concepts: list[str]


class _Variants(BaseModel):
    model_config = ConfigDict(extra="ignore")

    variants: list[_Variant]


class ChatPerturber:
    """Asks a chat model for rare wordings (``prompts/perturb.md``). A failed answer gives no variant.

    Args:
        chat: the model.
        temperature: of the answers.
        seed: of the answers.
        concurrency: conversations at a time.
    """

    def __init__(self, chat: Chat, *, temperature: float = 0.7, seed: int = 0, concurrency: int = 8) -> None:
        self._chat = chat
        self._temperature = temperature
        self._seed = seed
        self._concurrency = concurrency

    def perturb(self, texts: Sequence[str]) -> list[list[Perturbation]]:
        """Propose variants of each text, in the order the model gives them."""
        with ThreadPoolExecutor(self._concurrency) as pool:
            return list(pool.map(self._perturb, texts))

    def _perturb(self, text: str) -> list[Perturbation]:
        messages = [
            {"role": "system", "content": template("perturb")},
            {"role": "user", "content": quoted(query=text)},
        ]
        answer = ask(self._chat, messages, _Variants, temperature=self._temperature, seed=self._seed).answer
        if isinstance(answer, Failure):
            return []
        return [
            Perturbation(variant.text, tuple(found))
            for variant in answer.variants
            if variant.text.strip() and (found := _present(variant))
        ]


def _present(variant: _Variant) -> list[str]:
    """The rare words that really stand in the variant."""
    return [
        concept for concept in variant.concepts if concept.strip() and concept.casefold() in variant.text.casefold()
    ]
