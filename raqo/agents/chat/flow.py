"""How many calls are on their way at once: more while the server keeps up, half as many once it does not."""

from __future__ import annotations

import asyncio
from collections import deque

# a round of calls is judged by the share of them that met an overload
_OVERLOADED_SHARE = 0.2
_SMALLEST_ROUND = 20
# after an overload the limit comes back to this share of the level that was enough, ...
_SAFE_SHARE = 0.95
# ... and needs so many round trips until it is as far above that level, and free again
_PROBING_ROUND_TRIPS = 50


class AdaptiveLimit:
    """A limit of calls at once that finds out what a server can do; belongs to one event loop.

    The limit rises by one with every call that ends well while all slots are in use, so it doubles per round trip. When
    a fifth of a round of calls (as many as the limit, 20 at least) has met an overload, the limit halves, at most once
    per round trip: calls sent before are not counted. Then it rises as before up to 95% of the level that was enough,
    takes 50 round trips from there to 105%, and rises freely again if it gets that far, for the server has more room
    than it had. So a server with constant room is used at 95% and more nearly all of the time. A lone refused or slow
    call is no overload: a server without room refuses every call that a freed slot sends after it.
    """

    def __init__(self, *, start: int = 8, maximum: int = 64) -> None:
        self._limit = float(min(start, maximum))
        self._maximum = maximum
        # twice the maximum stands for not known
        self._enough = 2.0 * maximum
        self._in_flight = 0
        self._given = 0
        self._current_since = 0
        self._ended = 0
        self._overloaded = 0
        self._waiting: deque[asyncio.Future[int]] = deque()
        self._closed: Exception | None = None

    @property
    def limit(self) -> int:
        """Calls allowed at once, from 1 to the maximum."""
        return max(1, min(self._maximum, int(self._limit + 0.5)))

    @property
    def in_flight(self) -> int:
        """Calls on their way."""
        return self._in_flight

    async def acquire(self) -> int:
        """Wait for a slot, first come first served, and get its number; give it back with `release`.

        Raises:
            Exception: the one given to `close`.
        """
        if self._closed is not None:
            raise self._closed
        if self._in_flight < self.limit and not self._waiting:
            return self._give()
        turn: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self.release(turn.result())
            raise

    def release(self, slot: int, *, overloaded: bool | None = None) -> None:
        """Give a slot back.

        Args:
            slot: the one that `acquire` gave.
            overloaded: whether the server could not keep up; `None` where the call tells nothing about it.
        """
        if overloaded is not None and slot >= self._current_since:
            self._learn(overloaded)
        self._in_flight -= 1
        while self._waiting and self._in_flight < self.limit:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(self._give())

    def close(self, error: Exception) -> None:
        """Raise an error in whoever waits, now and later; slots given out stay valid."""
        self._closed = error
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_exception(error)

    def _give(self) -> int:
        self._in_flight += 1
        self._given += 1
        return self._given - 1

    def _learn(self, overloaded: bool) -> None:
        round_ = max(self.limit, _SMALLEST_ROUND)
        self._ended += 1
        self._overloaded += overloaded
        if self._overloaded >= _OVERLOADED_SHARE * round_:
            self._halve()
        elif self._ended >= round_:
            self._ended = self._overloaded = 0
        if not overloaded and self._in_flight >= self.limit:
            self._rise()

    def _halve(self) -> None:
        self._enough = max(1.0, min(self._in_flight, self.limit) - 1.0)
        self._limit = max(1.0, self._limit / 2)
        self._current_since = self._given
        self._ended = self._overloaded = 0

    def _rise(self) -> None:
        margin = (1 - _SAFE_SHARE) * self._enough
        if self._limit < self._enough - margin:
            self._limit = min(self._limit + 1, self._enough - margin)
        elif self._limit <= self._enough + margin:
            self._limit += 2 * margin / _PROBING_ROUND_TRIPS / self._limit
        else:
            self._enough = 2.0 * self._maximum
            self._limit += 1
        self._limit = min(self._limit, self._maximum)
