"""Rare wordings from a chat model (RAQO, 'Unambiguous Query Perturbation'; EchoPrompt)."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from raqo.agents.asking import ask, quoted
from raqo.agents.chat.event_loop import run_all
from raqo.agents.plain_text import plain_line, standing
from raqo.agents.prompts import one_line, template
from raqo.protocols import Chat, Perturbation, Perturbed
from raqo.records import Failure


class _Variant(BaseModel):
    model_config = ConfigDict(extra="ignore")

    text: str
    concepts: list[str]


class _Variants(BaseModel):
    model_config = ConfigDict(extra="ignore")

    variants: list[_Variant]


class ChatPerturber:
    """Asks a chat model for rare wordings (``prompts/perturb.md``). Implements `raqo.protocols.Perturber`.

    Args:
        chat: the model.
        temperature: of the answers.
        seed: of the answers.
    """

    def __init__(self, chat: Chat, *, temperature: float = 0.7, seed: int = 0) -> None:
        self._chat = chat
        self._temperature = temperature
        self._seed = seed

    def perturb(self, texts: Sequence[str]) -> list[Perturbed]:
        """Propose variants of each text, in the order the model gives them."""
        return run_all(self._perturb(text) for text in texts)

    async def _perturb(self, text: str) -> Perturbed:
        messages = [
            {"role": "system", "content": template("perturb")},
            {"role": "user", "content": quoted(query=one_line(text))},
        ]
        asked = await ask(self._chat, messages, _Variants, temperature=self._temperature, seed=self._seed)
        if isinstance(asked.answer, Failure):
            return Perturbed(asked.answer, asked.cost)
        variants = tuple(
            Perturbation(text, concepts)
            for variant in asked.answer.variants
            if (text := plain_line(variant.text)) and (concepts := _standing_in(text, variant.concepts))
        )
        return Perturbed(variants, asked.cost)


def _standing_in(text: str, concepts: Sequence[str]) -> tuple[str, ...]:
    """The rare words that really stand in the variant."""
    return tuple(dict.fromkeys(found for concept in concepts if (found := standing(concept, text))))
