"""Requests and tokens per minute, kept by waiting."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable

# what has not been used is saved up for this long; a limit per minute is often enforced by the second
_SAVED_SECONDS = 1.0


class _Bucket:
    """Fills at a steady rate up to one second's worth; may be overdrawn by one taker, and then refills first."""

    def __init__(self, per_minute: int | None, now: float) -> None:
        self._rate = float("inf") if per_minute is None else per_minute / 60
        self._capacity = max(1.0, self._rate * _SAVED_SECONDS)
        self._level = self._capacity
        self._at = now

    def wait(self, amount: float, now: float) -> float:
        """Seconds until an amount may be taken: all of it, or as much as the bucket holds."""
        if self._rate == float("inf"):
            return 0.0
        self._level = min(self._capacity, self._level + (now - self._at) * self._rate)
        self._at = now
        # a billionth of slack, or rounding makes the last wait infinitely many ever shorter ones
        missing = min(amount, self._capacity) - self._level
        return missing / self._rate if missing > 1e-9 * self._capacity else 0.0

    def take(self, amount: float) -> None:
        """Take an amount; less than nothing gives back."""
        if self._rate != float("inf"):
            self._level -= amount


class RateLimit:
    """Holds calls back so that a minute sees no more requests and tokens than allowed; belongs to one event loop.

    First come, first served. A call of more tokens than one second allows overdraws, and the calls behind it wait.

    Args:
        requests_per_minute: `None` for no limit.
        tokens_per_minute: `None` for no limit.
        clock: seconds, never going back.
    """

    def __init__(
        self,
        *,
        requests_per_minute: int | None = None,
        tokens_per_minute: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._requests = _Bucket(requests_per_minute, clock())
        self._tokens = _Bucket(tokens_per_minute, clock())
        self._waiting: deque[tuple[asyncio.Future[None], int]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._closed: Exception | None = None

    async def take(self, tokens: int) -> None:
        """Wait until one request of so many tokens may leave.

        Raises:
            Exception: the one given to `close`.
        """
        if self._closed is not None:
            raise self._closed
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((turn, tokens))
        if self._timer is None:
            self._admit()
        await turn

    def give_back(self, tokens: int) -> None:
        """Return tokens that were taken and not used."""
        self._tokens.take(-tokens)
        if self._timer is not None:
            self._admit()

    def close(self, error: Exception) -> None:
        """Raise an error in whoever waits, now and later."""
        self._closed = error
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._waiting:
            turn, _ = self._waiting.popleft()
            if not turn.done():
                turn.set_exception(error)

    def _admit(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._waiting:
            turn, tokens = self._waiting[0]
            if not turn.done():
                now = self._clock()
                wait = max(self._requests.wait(1, now), self._tokens.wait(tokens, now))
                if wait > 0:
                    self._timer = asyncio.get_running_loop().call_later(wait, self._admit)
                    return
                self._requests.take(1)
                self._tokens.take(tokens)
                turn.set_result(None)
            self._waiting.popleft()
