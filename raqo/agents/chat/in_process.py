"""A chat model on this machine, without a server (transformers). Requests that wait are generated together.

torch and transformers load with the first `InProcessChat`, not with this module.
"""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Literal

from raqo.agents.chat.local_model import ChatModel
from raqo.errors import ConfigError, StoppedError, message
from raqo.protocols import ChatRequest, ChatResult, NoAnswerError
from raqo.records import FailureKind


@dataclass(frozen=True, slots=True, kw_only=True)
class InProcessSettings:
    """How a chat model runs on this machine.

    Attributes:
        batch_size: greedy requests generated at once.
        dtype: of the weights; ``auto`` as they are stored.
        device: ``auto`` takes the first CUDA device, else the CPU.
    """

    batch_size: int = 16
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    device: str = "auto"

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise ConfigError(message("in-process chat", f"batch_size {self.batch_size}", "give at least 1"))


@dataclass(slots=True, eq=False)
class _Job:
    request: ChatRequest
    conversation: list[dict[str, Any]]
    max_tokens: int
    answer: Future[list[ChatResult]] = field(default_factory=Future)

    def goes_with(self, other: _Job) -> bool:
        greedy = self.request.temperature <= 0 and other.request.temperature <= 0
        alike = (self.max_tokens, self.request.n) == (other.max_tokens, other.request.n)
        return self is other or (greedy and alike)


class InProcessChat:
    """A model folder, or a model of the Hugging Face hub, as `raqo.protocols.Chat`.

    Temperature 0 is greedy: what waits is generated in one batch, in which near ties may fall otherwise than alone.
    A sampled request is generated alone under its own seed, so its answers do not depend on what else is asked; its
    samples are drawn from the whole distribution at the given temperature. torch's random state is put back after it.
    Schemas are not enforced. Images must be data URLs: nothing that a message says is fetched or opened.
    """

    def __init__(self, model: str, *, settings: InProcessSettings | None = None) -> None:
        """Load a model: safetensors only, and no code from its folder.

        Args:
            model: a folder or a name; one with a chat template.
            settings: how to run it.

        Raises:
            DataError: there is no such chat model.
        """
        self._settings = settings or InProcessSettings()
        self._model = ChatModel(model, dtype=self._settings.dtype, device=self._settings.device)
        self._waiting: list[_Job] = []
        self._changed = threading.Condition()
        self._stopped = False
        threading.Thread(target=self._work, name="raqo-in-process-chat", daemon=True).start()

    @property
    def model(self) -> str:
        """Name of the model and its weights, for provenance."""
        return self._model.name

    @property
    def reads_images(self) -> bool:
        """Whether messages may hold images."""
        return self._model.reads_images

    async def complete(self, request: ChatRequest) -> list[ChatResult]:
        """Give ``request.n`` completions.

        Raises:
            NoAnswerError: the messages cannot be read, or the model failed.
            StoppedError: `stop` was called.
        """
        conversation, room = await asyncio.to_thread(self._model.read, request.messages)
        job = _Job(request, conversation, min(request.max_tokens, room))
        with self._changed:
            if self._stopped:
                raise _stopped()
            self._waiting.append(job)
            self._changed.notify()
        return await asyncio.wrap_future(job.answer)

    def stop(self) -> None:
        """End what is being generated as usual, give up what waits, and take nothing new."""
        with self._changed:
            self._stopped = True
            given_up, self._waiting = self._waiting, []
            self._changed.notify()
        for job in given_up:
            if job.answer.set_running_or_notify_cancel():
                job.answer.set_exception(_stopped())

    def _work(self) -> None:
        while jobs := self._take():
            wanted = [job for job in jobs if job.answer.set_running_or_notify_cancel()]
            if wanted:
                self._generate(wanted)

    def _take(self) -> list[_Job]:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._stopped)
            taken = [job for job in self._waiting if job.goes_with(self._waiting[0])][: self._settings.batch_size]
            self._waiting = [job for job in self._waiting if job not in taken]
            return taken

    def _generate(self, jobs: list[_Job]) -> None:
        first = jobs[0]
        try:
            found = self._model.generate(
                [job.conversation for job in jobs],
                n=first.request.n,
                temperature=max(first.request.temperature, 0.0),
                seed=first.request.seed,
                max_tokens=first.max_tokens,
            )
        except Exception as error:  # a request that the device cannot hold must not end the thread that serves all
            problem = f"{type(error).__name__}: {error}"
            for job in jobs:
                job.answer.set_exception(NoAnswerError(FailureKind.SERVER, problem))
            return
        for job, results in zip(jobs, found, strict=True):
            job.answer.set_result(results)


def _stopped() -> StoppedError:
    return StoppedError(message("in-process chat", "stopped before this request was asked", "resume the run"))
