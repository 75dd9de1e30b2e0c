"""One-line captions of pictures from a multimodal chat model (``prompts/caption.md``)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict

from raqo.agents.asking import ask
from raqo.agents.chat.event_loop import run_all
from raqo.agents.pictures import data_url
from raqo.agents.plain_text import plain_line
from raqo.agents.prompts import prompt_hash, template
from raqo.errors import ConfigError, DataError, message
from raqo.protocols import Chat
from raqo.records import Cost, Failure, FailureKind


class CaptionAnswer(BaseModel):
    """The JSON that the prompt asks for."""

    model_config = ConfigDict(extra="ignore")

    caption: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptionerSettings:
    """How the chat model is asked.

    Attributes:
        max_side: pixels of the longer side of a shown picture.
        max_tokens: of one answer.
        temperature: of the answers.
        seed: of the answers.
        at_once: pictures held in memory.
    """

    max_side: int = 448
    max_tokens: int = 128
    temperature: float = 0.0
    seed: int = 0
    at_once: int = 256


@dataclass(frozen=True, slots=True)
class Captioned:
    """The caption of a picture, or why there is none, and what it took."""

    answer: str | Failure
    cost: Cost


class Captioner:
    """Describes pictures in one line each.

    Args:
        chat: a model that reads images.
        settings: how to ask it.

    Raises:
        ConfigError: the model reads no images.
    """

    def __init__(self, chat: Chat, *, settings: CaptionerSettings | None = None) -> None:
        if not chat.reads_images:
            raise ConfigError(message("captioner", f"{chat.model!r} reads no images", "give a multimodal model"))
        self._chat = chat
        self._settings = settings or CaptionerSettings()

    @property
    def prompt_hash(self) -> str:
        """Hash of ``prompts/caption.md``."""
        return prompt_hash("caption")

    def caption(self, paths: Sequence[str]) -> list[Captioned]:
        """Describe each picture, in the order given; one that cannot be read or described is a typed failure."""
        room = asyncio.Semaphore(self._settings.at_once)
        return run_all(self._caption(path, room) for path in paths)

    async def _caption(self, path: str, room: asyncio.Semaphore) -> Captioned:
        settings = self._settings
        async with room:
            try:
                messages = await asyncio.to_thread(self.messages, path)
            except DataError as error:
                return Captioned(Failure(FailureKind.TRANSPORT, f"cannot show a picture: {error}", 0), Cost())
            asked = await ask(
                self._chat,
                messages,
                CaptionAnswer,
                temperature=settings.temperature,
                seed=settings.seed,
                max_tokens=settings.max_tokens,
            )
        if isinstance(asked.answer, Failure):
            return Captioned(asked.answer, asked.cost)
        caption = plain_line(asked.answer.caption)
        return Captioned(caption or Failure(FailureKind.EMPTY, "the caption is empty", 0), asked.cost)

    def messages(self, path: str) -> list[dict[str, Any]]:
        """The conversation for a picture, in the OpenAI form; the file's name is not in it.

        Raises:
            DataError: the picture cannot be read.
        """
        picture = {"type": "image_url", "image_url": {"url": data_url(path, max_side=self._settings.max_side)}}
        return [{"role": "system", "content": template("caption")}, {"role": "user", "content": [picture]}]
