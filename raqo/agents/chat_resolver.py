"""What *this animal* is, from a multimodal chat model that sees the picture (QueryFormer, multimodal query rewriting).

Prompt: ``prompts/resolve.md``; the paper's is not published, this is ours.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field

from raqo.agents.asking import ask, quoted
from raqo.agents.chat.event_loop import run_all
from raqo.agents.expander import conversation
from raqo.agents.plain_text import plain_line
from raqo.agents.prompts import one_line
from raqo.agents.spans import words_of
from raqo.errors import DataError
from raqo.protocols import Chat, Resolution, Resolved
from raqo.records import Failure, FailureKind, Query

PROMPT = "resolve"


class KeywordAnswer(BaseModel):
    """A keyword of the picture."""

    model_config = ConfigDict(extra="ignore")

    word: str
    likelihood: float = Field(ge=0, le=1)


class ResolveAnswer(BaseModel):
    """The JSON that the prompt asks for."""

    model_config = ConfigDict(extra="ignore")

    question: str
    keywords: list[KeywordAnswer]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatResolverSettings:
    """How the chat model is asked.

    Attributes:
        keywords: kept, the likeliest.
        max_side: pixels of the longer side of a shown picture.
        max_tokens: of one answer.
        temperature: of the answers; 0, so that the same question is read the same way.
        seed: of the answers.
    """

    keywords: int = 4
    max_side: int = 448
    max_tokens: int = 512
    temperature: float = 0.0
    seed: int = 0


class ChatResolver:
    """Asks a chat model. Implements `raqo.protocols.Resolver`."""

    def __init__(self, chat: Chat, *, settings: ChatResolverSettings | None = None) -> None:
        self._chat = chat
        self._settings = settings or ChatResolverSettings()

    def resolve(self, queries: Sequence[Query], captions: Sequence[str]) -> list[Resolved]:
        """Resolve each question; words of the question that its rewriting leaves out count as pointing."""
        return run_all(self._resolve(query, text) for query, text in zip(queries, captions, strict=True))

    async def _resolve(self, query: Query, caption: str) -> Resolved:
        settings = self._settings
        data = quoted(question=one_line(query.text), caption=one_line(caption))
        try:
            messages = await asyncio.to_thread(
                conversation, PROMPT, data, query, self._chat, max_side=settings.max_side
            )
        except DataError as error:
            return Resolved(Failure(FailureKind.TRANSPORT, f"cannot show the picture: {error}", 0))
        asked = await ask(
            self._chat,
            messages,
            ResolveAnswer,
            temperature=settings.temperature,
            seed=settings.seed,
            max_tokens=settings.max_tokens,
        )
        if isinstance(asked.answer, Failure):
            return Resolved(asked.answer, asked.cost)
        return Resolved(_resolution(asked.answer, query.text, settings.keywords), asked.cost)


def _resolution(answer: ResolveAnswer, question: str, most: int) -> Resolution:
    text = plain_line(answer.question) or question
    found = sorted(answer.keywords, key=lambda one: -one.likelihood)
    implicit = {word: one.likelihood for one in reversed(found) if (word := plain_line(one.word))}
    kept = {word.form for word in words_of(text)}
    pointing = sorted({word.form for word in words_of(question)} - kept)
    return Resolution(text, tuple(reversed(list(implicit.items())))[:most], tuple(pointing))
