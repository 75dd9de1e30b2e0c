"""Answers of chat models on disk, so that no question is paid for twice; failures are never kept."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import hashlib
import json
from pathlib import Path

from raqo.agents.chat.answer_store import AnswerStore
from raqo.agents.parsing import AnswerError, extract_object
from raqo.protocols import Chat, ChatRequest, ChatResult


class CachedChat:
    """A `raqo.protocols.Chat` that asks another one only what is not in its file.

    The key is a hash of the whole request (messages with images, sampling, seed, schema), the model and `salt`. Equal
    requests on their way are asked once. Kept are whole answers only: not failures, refusals, empty or cut texts, nor
    texts without the JSON object that was asked for. Token counts of a kept answer are those of its first time.

    The file is a SQLite database that several processes may share. What is wrong with it costs answers, not the run:
    a row that cannot be read is a miss, an answer that cannot be written is passed on all the same, and the first such
    trouble is logged. Requests come from one event loop.

    Attributes:
        hits: completed requests that cost nothing.
        misses: requests passed on to the model.
    """

    def __init__(self, chat: Chat, path: str | Path, *, salt: str = "") -> None:
        """Open the file, made where missing.

        Args:
            chat: whom to ask.
            path: the file.
            salt: whatever else an answer depends on, such as a retriever's fingerprint.

        Raises:
            DataError: the file is something else.
            RunFolderError: the file cannot be opened.
        """
        self.hits = 0
        self.misses = 0
        self._chat = chat
        self._salt = salt
        self._kept = AnswerStore(path)
        self._asked: dict[str, asyncio.Task[list[ChatResult]]] = {}

    @property
    def model(self) -> str:
        """Name of the model, for provenance."""
        return self._chat.model

    @property
    def reads_images(self) -> bool:
        """Whether messages may hold images."""
        return self._chat.reads_images

    async def complete(self, request: ChatRequest) -> list[ChatResult]:
        """Give ``request.n`` completions.

        Raises:
            NoAnswerError: the model gave no answer.
        """
        key = self._key(request)
        task = self._asked.get(key)
        kept = self._kept.read(key, request.n) if task is None else None
        if kept is not None:
            self.hits += 1
            return kept
        if task is None:
            self.misses += 1
            task = asyncio.create_task(self._ask(key, request))
            self._asked[key] = task
            task.add_done_callback(lambda done: self._forget(key, done))
            return await asyncio.shield(task)
        # an answer on its way arrives and is kept, even if whoever asked first has gone
        results = await asyncio.shield(task)
        self.hits += 1
        return results

    def stop(self) -> None:
        """Let nothing new go out; what is in the file is still given."""
        stop = getattr(self._chat, "stop", None)
        if stop is not None:
            stop()

    def close(self) -> None:
        """Close the file."""
        self._kept.close()

    def _key(self, request: ChatRequest) -> str:
        asked = {field.name: getattr(request, field.name) for field in dataclasses.fields(request)}
        canonical = json.dumps([self.model, self._salt, asked], sort_keys=True, separators=(",", ":"), default=dict)
        return hashlib.sha256(canonical.encode()).hexdigest()

    async def _ask(self, key: str, request: ChatRequest) -> list[ChatResult]:
        results = await self._chat.complete(request)
        if len(results) == request.n and all(_is_whole(result, request) for result in results):
            self._kept.write(key, results)
        return results

    def _forget(self, key: str, task: asyncio.Task[list[ChatResult]]) -> None:
        del self._asked[key]
        if not task.cancelled():
            task.exception()  # read here, as nobody may be waiting any more


def prune(path: str | Path, *, older_than_s: float | None) -> int:
    """Remove answers older than so many seconds, or all, give the room back, and return how many they were.

    Raises:
        DataError: the file is something else.
        RunFolderError: the file cannot be opened or written.
    """
    if not Path(path).exists():
        return 0
    with contextlib.closing(AnswerStore(path)) as store:
        return store.prune(older_than_s)


def _is_whole(result: ChatResult, request: ChatRequest) -> bool:
    if result.finish_reason != "stop" or not result.text.strip():
        return False
    if request.schema is None:
        return True
    try:
        return extract_object(result.text).keys() >= set(request.schema.get("required", ()))
    except AnswerError:
        return False
