"""Expansions by a multimodal chat model that sees the picture (QueryFormer, generation and optimisation phase).

Prompts: ``prompts/expand.md`` and ``prompts/optimise.md``; the paper's are not published, these are ours.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict

from raqo.agents.asking import ask, quoted
from raqo.agents.chat.event_loop import run_all
from raqo.agents.pictures import data_url
from raqo.agents.plain_text import plain_line
from raqo.agents.prompts import one_line, prompt_hash, template
from raqo.errors import DataError
from raqo.protocols import Chat, Expanded, ExpansionCase
from raqo.records import Failure, FailureKind, Query

GENERATE, OPTIMISE = "expand", "optimise"


class ExpansionAnswer(BaseModel):
    """The JSON that both prompts ask for."""

    model_config = ConfigDict(extra="ignore")

    expansions: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpanderSettings:
    """How the chat model is asked.

    Attributes:
        shown: passages shown of the context, and of each tried expansion one.
        passage_characters: of a passage that are shown.
        max_side: pixels of the longer side of a shown picture.
        max_tokens: of one answer.
        seed: of the answers.
    """

    shown: int = 3
    passage_characters: int = 600
    max_side: int = 448
    max_tokens: int = 1024
    seed: int = 0


class ChatExpander:
    """Asks a chat model. Implements `raqo.protocols.Expander`.

    Everything about a question is quoted as JSON data. The picture is shown to models that read images; one that cannot
    be read is a typed failure, as an answer that stays unreadable after one more try.
    """

    def __init__(self, chat: Chat, *, settings: ExpanderSettings | None = None) -> None:
        self._chat = chat
        self._settings = settings or ExpanderSettings()

    @property
    def name(self) -> str:
        """The chat model's name, for provenance."""
        return f"chat:{self._chat.model}"

    @property
    def prompt_hash(self) -> str:
        """Hash of both prompts."""
        return prompt_hash(GENERATE, OPTIMISE)

    def expand(self, cases: Sequence[ExpansionCase], *, n: int, temperature: float) -> list[Expanded]:
        """Ask for n expansions of each question; fewer may come, and repeats are dropped."""
        return run_all(self._expand(case, n, temperature) for case in cases)

    async def _expand(self, case: ExpansionCase, n: int, temperature: float) -> Expanded:
        settings = self._settings
        try:
            # the picture is decoded and shrunk: not on the loop that keeps the server busy
            messages = await asyncio.to_thread(self.messages, case, n)
        except DataError as error:
            return Expanded(Failure(FailureKind.TRANSPORT, f"cannot show the picture: {error}", 0))
        asked = await ask(
            self._chat,
            messages,
            ExpansionAnswer,
            temperature=temperature,
            seed=settings.seed,
            max_tokens=settings.max_tokens,
        )
        if isinstance(asked.answer, Failure):
            return Expanded(asked.answer, asked.cost)
        texts = tuple(dict.fromkeys(text for raw in asked.answer.expansions if (text := plain_line(raw))))[:n]
        return Expanded(texts or Failure(FailureKind.EMPTY, "the answer holds no expansion", 0), asked.cost)

    def messages(self, case: ExpansionCase, n: int) -> list[dict[str, Any]]:
        """The conversation for a question, in the OpenAI form.

        Raises:
            DataError: the picture cannot be read.
        """
        fields: dict[str, object] = {
            "question": one_line(case.query.text),
            "question_resolved": one_line(case.resolution.text),
            "caption": one_line(case.caption),
            "keywords": [one_line(keyword) for keyword, _ in case.resolution.implicit],
            "expansions_wanted": n,
        }
        if case.tried:
            fields["tried"] = [
                {"expansion": one_line(one.text), "score": one.score, "found": self._cut(one.passages[:1])}
                for one in case.tried
            ]
        else:
            fields["passages"] = self._cut(case.passages[: self._settings.shown])
        return conversation(
            OPTIMISE if case.tried else GENERATE,
            quoted(**fields),
            case.query,
            self._chat,
            max_side=self._settings.max_side,
        )

    def _cut(self, passages: Sequence[str]) -> list[str]:
        return [one_line(passage)[: self._settings.passage_characters] for passage in passages]


def conversation(prompt: str, data: str, query: Query, chat: Chat, *, max_side: int) -> list[dict[str, Any]]:
    """A prompt, quoted data, and the question's picture where there is one and the model reads images.

    Raises:
        DataError: the picture cannot be read.
    """
    parts: list[dict[str, Any]] = [{"type": "text", "text": data}]
    if query.image and chat.reads_images:
        parts.append({"type": "image_url", "image_url": {"url": data_url(query.image, max_side=max_side)}})
    return [{"role": "system", "content": template(prompt)}, {"role": "user", "content": parts}]
