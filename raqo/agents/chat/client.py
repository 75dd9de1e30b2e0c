"""Chat models behind OpenAI-compatible servers: at any load, whatever the server does, and within a budget."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time

from raqo.agents.chat.event_loop import chat_loop
from raqo.agents.chat.flow import AdaptiveLimit
from raqo.agents.chat.http import ChatHttp, FailedCallError, what_to_correct
from raqo.agents.chat.meter import Meter, Spending, Usage
from raqo.agents.chat.rate_limit import RateLimit
from raqo.agents.chat.retrying import Handling, overloads, pause
from raqo.agents.chat.settings import ChatSettings
from raqo.agents.chat.wire import BrokenBodyError, Call, Completion, Tokens, has_images, parts, read_completion, to_call
from raqo.errors import ConfigError, StoppedError, message
from raqo.protocols import ChatRequest, ChatResult, NoAnswerError
from raqo.records import FailureKind


class OpenAIChat:
    """A model behind ``/v1/chat/completions``. Implements `raqo.protocols.Chat`.

    Every call waits for a free slot and for the rate limits, is reserved in the ledger before it leaves and settled
    when it is over. Failed calls are made again where that can help. It may be awaited on any event loop, and by
    several threads at once; the calls themselves run on the loop of `raqo.agents.chat.event_loop`.

    Args:
        settings: model, server and flow.
        ledger: where the money is counted.

    Raises:
        ConfigError: the environment variable with the key is not set, or a budget is given and the model has no price.
    """

    def __init__(self, settings: ChatSettings, *, ledger: Spending | None = None) -> None:
        self._settings = settings
        self._http = ChatHttp(settings)
        self._meter = Meter(settings, ledger)
        flow = settings.flow
        self._limit = AdaptiveLimit(start=flow.start_concurrency, maximum=flow.max_concurrency)
        self._rates = RateLimit(requests_per_minute=flow.requests_per_minute, tokens_per_minute=flow.tokens_per_minute)
        self._jitter = random.Random()
        self._halted: Exception | None = None
        self._halting = asyncio.Event()

    @property
    def model(self) -> str:
        """Name of the model, for provenance."""
        return self._settings.model

    @property
    def reads_images(self) -> bool:
        """Whether the server is declared to read images."""
        return self._settings.can.images

    @property
    def usage(self) -> Usage:
        """What has been taken so far."""
        return self._meter.usage

    def stop(self) -> None:
        """Start no further call; those on their way end as usual, all others raise `StoppedError`. For any thread."""
        self._halt(StoppedError(message("chat", "stopped", "resume the run to go on where it was")))

    async def complete(self, request: ChatRequest) -> list[ChatResult]:
        """Give ``request.n`` completions.

        Raises:
            NoAnswerError: no answer came for this request, after all attempts.
            BudgetError: the next call could pass the budget.
            ConfigError: address, key or model are wrong, or images are sent to a server that reads none.
            StoppedError: `stop` was called before this request was answered.
        """
        if asyncio.get_running_loop() is chat_loop():
            return await self._complete(request)
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self._complete(request), chat_loop()))

    async def _complete(self, request: ChatRequest) -> list[ChatResult]:
        if not self.reads_images and has_images(request):
            problem = f"the server of {self.model} is declared to read no images"
            raise ConfigError(message("chat", problem, "use a multimodal model and set chat.capabilities.images"))
        if len(asked := parts(request, self._settings)) == 1:
            return await self._answer(request)
        answers = await asyncio.gather(*map(self._answer, asked), return_exceptions=True)
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
        return [result for answer in answers if isinstance(answer, list) for result in answer]

    async def _answer(self, request: ChatRequest) -> list[ChatResult]:
        """Attempts until one succeeds, or none is left, or the deadline would pass."""
        flow, left = self._settings.flow, self._settings.flow.deadline_s
        for attempt in range(1, flow.max_attempts + 1):
            outcome, seconds = await self._attempt(request, min(flow.attempt_timeout_s, left))
            if isinstance(outcome, Completion):
                return outcome.results
            failed = outcome
            wait = pause(attempt, retry_after=failed.retry_after, max_wait=flow.max_wait_s, rng=self._jitter)
            left -= seconds + wait
            if failed.handling is not Handling.RETRY or attempt == flow.max_attempts or left <= 0:
                break
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._halting.wait(), wait)
        if failed.handling is Handling.STOP:
            error = ConfigError(what_to_correct(failed, self._settings))
            self._halt(error)
            raise error
        raise NoAnswerError(failed.kind, str(failed), attempts=attempt)

    async def _attempt(self, request: ChatRequest, seconds: float) -> tuple[Completion | FailedCallError, float]:
        """One call in its turn, and the seconds it took without the waiting."""
        slot, overloaded = await self._limit.acquire(), None
        try:
            # not before: bodies with pictures are large, and many requests may be waiting
            call = to_call(request, self._settings)
            await self._rates.take(call.bound.prompt + call.bound.completion)
            started = time.monotonic()
            outcome = await self._paid(call, seconds)
            if isinstance(outcome, Completion):
                overloaded = False
            elif overloads(outcome.kind, outcome.status):
                overloaded = True
            return outcome, time.monotonic() - started
        finally:
            self._limit.release(slot, overloaded=overloaded)

    async def _paid(self, call: Call, seconds: float) -> Completion | FailedCallError:
        """One call and its money: whatever may have been paid for counts in full."""
        reservation = await self._meter.reserve(call.bound)
        used, answered = Tokens(0, 0), False
        try:
            if self._halted is not None:
                raise self._halted
            used = call.bound
            outcome = await self._timed(call, seconds)
            answered = isinstance(outcome, Completion)
            if isinstance(outcome, Completion):
                used = outcome.used
            elif outcome.free:
                used = Tokens(0, 0)
            return outcome
        finally:
            self._rates.give_back(call.bound.prompt + call.bound.completion - used.prompt - used.completion)
            self._meter.settle(reservation, used, answered=answered)

    async def _timed(self, call: Call, seconds: float) -> Completion | FailedCallError:
        try:
            async with asyncio.timeout(seconds):
                return read_completion(await self._http.post(call.content), call)
        except FailedCallError as error:
            return error
        except TimeoutError:
            return FailedCallError(FailureKind.TIMEOUT, f"no answer within {seconds:.3g} s")
        except BrokenBodyError as error:
            return FailedCallError(FailureKind.TRANSPORT, str(error))

    def _halt(self, error: Exception) -> None:
        self._halted = self._halted or error
        chat_loop().call_soon_threadsafe(self._wake, self._halted)

    def _wake(self, error: Exception) -> None:
        self._limit.close(error)
        self._rates.close(error)
        self._halting.set()
