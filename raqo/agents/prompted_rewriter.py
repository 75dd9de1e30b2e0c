"""Rewriting by a general chat model that was never taught the retriever: the baseline that training has to beat.

Same two steps as the trained rewriter (RAQO, ReCoT), asked with ``prompts/prompted_detect.md`` and
``prompts/prompted_rewrite.md``. The paper's prompts are not published; these are ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

from raqo.agents.asking import ask, quoted
from raqo.agents.chat.event_loop import run_all
from raqo.agents.parsing import Answer
from raqo.agents.plain_text import plain_line, standing
from raqo.agents.prompts import one_line, prompt_hash, template
from raqo.protocols import Chat
from raqo.records import Failure
from raqo.retrievers.encodable import encodable

_DETECT, _REWRITE = "prompted_detect", "prompted_rewrite"


class DetectAnswer(BaseModel):
    """The JSON of step 1."""

    model_config = ConfigDict(extra="ignore")

    concepts: list[str]


class RewriteAnswer(BaseModel):
    """The JSON of step 2."""

    model_config = ConfigDict(extra="ignore")

    rewrites: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptedRewriterSettings:
    """How the chat model is asked.

    Attributes:
        temperature: of the answers; 0, so that the same query is rewritten the same way.
        max_tokens: of one answer.
        seed: of the answers.
    """

    temperature: float = 0.0
    max_tokens: int = 512
    seed: int = 0


class PromptedRewriter:
    """A general chat model, prompted to detect and rewrite. Implements `raqo.protocols.Rewriter`.

    Queries are quoted as JSON data, equal ones are asked once, and a query without an answer has no concepts and no
    rewrites.

    Attributes:
        failures: why answers are missing, in the order in which they failed to come.
    """

    def __init__(self, chat: Chat, *, settings: PromptedRewriterSettings | None = None) -> None:
        self.failures: list[Failure] = []
        self._chat = chat
        self._settings = settings or PromptedRewriterSettings()

    @property
    def fingerprint(self) -> str:
        """Model, prompts and settings."""
        return f"prompted:{self._chat.model}:{prompt_hash(_DETECT, _REWRITE)}:{self._settings}"

    def detect(self, texts: Sequence[str]) -> list[tuple[str, ...] | None]:
        """ReCoT step 1: the concepts that the model names, where they stand in the text as whole words."""
        distinct = [text for text in dict.fromkeys(texts) if text.strip()]
        answers = dict(zip(distinct, run_all(self._detect(text) for text in distinct), strict=True))
        return [answers.get(text, ()) for text in texts]

    def rewrite(self, texts: Sequence[str], concepts: Sequence[tuple[str, ...]], *, n: int = 1) -> list[list[str]]:
        """ReCoT step 2: up to n distinct rewrites of each text, best first."""
        asked = list(zip(texts, concepts, strict=True))
        distinct = [(text, some) for text, some in dict.fromkeys(asked) if text.strip()]
        answers = dict(zip(distinct, run_all(self._rewrite(*one, n) for one in distinct), strict=True))
        return [list(answers.get(one, [])) for one in asked]

    async def _detect(self, text: str) -> tuple[str, ...] | None:
        answer = await self._ask(_DETECT, DetectAnswer, query=_data(text))
        if answer is None:
            return None
        return tuple(dict.fromkeys(concept for raw in answer.concepts if (concept := standing(raw, text))))

    async def _rewrite(self, text: str, concepts: tuple[str, ...], n: int) -> list[str]:
        named = [_data(concept) for concept in concepts]
        answer = await self._ask(_REWRITE, RewriteAnswer, query=_data(text), concepts=named, rewrites_wanted=n)
        if answer is None:
            return []
        return list(dict.fromkeys(line for raw in answer.rewrites if (line := plain_line(raw))))[:n]

    async def _ask(self, prompt: str, form: type[Answer], **fields: object) -> Answer | None:
        messages = [
            {"role": "system", "content": template(prompt)},
            {"role": "user", "content": quoted(**fields)},
        ]
        settings = self._settings
        asked = await ask(
            self._chat,
            messages,
            form,
            temperature=settings.temperature,
            seed=settings.seed,
            max_tokens=settings.max_tokens,
        )
        if isinstance(asked.answer, Failure):
            self.failures.append(asked.answer)
            return None
        return asked.answer


def _data(text: str) -> str:
    return encodable(one_line(text))
