"""The trained rewriter behind a chat server: asked and read exactly as `LocalRewriter` does in this process."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from raqo.agents.chat.event_loop import run_all
from raqo.agents.prompts import ANY_CONCEPT, render_detect, render_rewrite
from raqo.agents.recot import challenging_concepts, distinct_lines
from raqo.agents.rewriter import MAX_CONTEXT, RewriterSettings, weights_hash
from raqo.errors import ConfigError, DataError, message
from raqo.protocols import Chat, ChatRequest, NoAnswerError
from raqo.records import Failure
from raqo.retrievers.encodable import encodable


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedRewriterSettings:
    """How the server is asked; always greedily.

    Attributes:
        max_new_tokens: the most tokens of an answer.
        context: the most tokens that the model reads and writes. An answer that would have needed more is dropped:
            some servers cut such a prompt or run on without a word.
    """

    max_new_tokens: int = 64
    context: int = MAX_CONTEXT

    def __post_init__(self) -> None:
        if not 0 < self.max_new_tokens < self.context:
            problem = f"max_new_tokens {self.max_new_tokens} is not between 0 and the context of {self.context}"
            raise ConfigError(message("rewriter", problem, "correct it"))


class ServedRewriter:
    """A trained rewriter over any chat server, as `raqo.protocols.Rewriter`.

    The calls of a batch go side by side, and equal prompts are asked once. A query without an answer has neither
    concepts nor rewrites. Answers are greedy, so there is at most one rewrite of a query, whatever ``n``.

    Attributes:
        failures: why answers are missing, in the order in which they failed to come.
    """

    def __init__(self, chat: Chat, fingerprint: str, *, settings: ServedRewriterSettings | None = None) -> None:
        self.failures: list[Failure] = []
        self._chat = chat
        self._fingerprint = fingerprint
        self._settings = settings or ServedRewriterSettings()

    @property
    def fingerprint(self) -> str:
        """What identifies the served weights."""
        return self._fingerprint

    def detect(self, texts: Sequence[str]) -> list[tuple[str, ...] | None]:
        """ReCoT step 1: the challenging concepts of each text, named or changed in a draft."""
        naming = [render_detect(text) for text in texts]
        drafting = [render_rewrite(text, ANY_CONCEPT) for text in texts]
        answers = self._answer([*naming, *drafting])
        named, drafts = answers[: len(texts)], answers[len(texts) :]
        return [challenging_concepts(*one) for one in zip(texts, named, drafts, strict=True)]

    def rewrite(self, texts: Sequence[str], concepts: Sequence[tuple[str, ...]], *, n: int = 1) -> list[list[str]]:
        """ReCoT step 2: the rewrite of each text, if there is one."""
        return self._answer([render_rewrite(text, some) for text, some in zip(texts, concepts, strict=True)])

    def _answer(self, prompts: Sequence[str]) -> list[list[str]]:
        distinct = list(dict.fromkeys(prompts))
        answers = dict(zip(distinct, run_all(self._ask(prompt) for prompt in distinct), strict=True))
        return [list(answers[prompt]) for prompt in prompts]

    async def _ask(self, prompt: str) -> list[str]:
        limit, messages = self._settings.max_new_tokens, ({"role": "user", "content": encodable(prompt)},)
        try:
            (result,) = await self._chat.complete(ChatRequest(messages=messages, max_tokens=limit))
        except NoAnswerError as error:
            self.failures.append(Failure(error.kind, str(error), 0, error.attempts))
            return []
        return [] if result.prompt_tokens > self._settings.context - limit else distinct_lines([result.text])


def served_rewriter(chat: Chat, folder: str | Path, *, settings: RewriterSettings | None = None) -> ServedRewriter:
    """The rewriter that serves the model of a folder, with the fingerprint and limits that `LocalRewriter` has for it.

    Raises:
        DataError: the folder holds no such model.
    """
    limits = ServedRewriterSettings(
        max_new_tokens=(settings or RewriterSettings()).max_new_tokens, context=context_of(folder)
    )
    return ServedRewriter(chat, weights_hash(folder), settings=limits)


def context_of(folder: str | Path) -> int:
    """The most tokens that `LocalRewriter` lets the model of a folder read and write.

    Raises:
        DataError: the folder has no readable ``config.json``.
    """
    try:
        config = json.loads((Path(folder) / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        problem = f"config.json cannot be read ({error})"
        raise DataError(message(str(folder), problem, "give the folder of a trained rewriter")) from error
    return min(int(config.get("max_position_embeddings", MAX_CONTEXT)), MAX_CONTEXT)
