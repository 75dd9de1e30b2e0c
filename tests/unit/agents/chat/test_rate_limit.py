from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from raqo.agents.chat.rate_limit import RateLimit


class SimulatedLoop(asyncio.SelectorEventLoop):
    """An event loop on which time passes at once when everybody waits."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def time(self) -> float:
        return self.now

    def _run_once(self) -> None:
        timers: list[asyncio.TimerHandle] = self._scheduled  # type: ignore[attr-defined]
        while timers and timers[0].cancelled():
            heapq.heappop(timers)._scheduled = False  # type: ignore[attr-defined]
        if not self._ready and timers:  # type: ignore[attr-defined]
            self.now = max(self.now, timers[0].when())
        super()._run_once()  # type: ignore[misc]


def simulate(main: Callable[[SimulatedLoop], Coroutine[Any, Any, Any]]) -> Any:
    loop = SimulatedLoop()
    try:
        return loop.run_until_complete(main(loop))
    finally:
        loop.close()


async def _times(loop: SimulatedLoop, limit: RateLimit, tokens: list[int]) -> list[float]:
    """When each of several calls, begun together, may leave."""

    async def one(amount: int) -> float:
        await limit.take(amount)
        return loop.now

    return list(await asyncio.gather(*map(one, tokens)))


def test_requests_per_minute() -> None:
    async def main(loop: SimulatedLoop) -> None:
        limit = RateLimit(requests_per_minute=120, clock=loop.time)
        times = await _times(loop, limit, [0] * 600)
        assert times == sorted(times)
        assert times[:3] == pytest.approx([0, 0, 0.5])
        for start in range(600):
            within = [time for time in times if times[start] <= time < times[start] + 60]
            assert len(within) <= 120 + 2
        assert times[-1] == pytest.approx(598 / 2)

    simulate(main)


def test_tokens_per_minute_and_calls_larger_than_what_is_saved_up() -> None:
    async def main(loop: SimulatedLoop) -> None:
        limit = RateLimit(tokens_per_minute=6000, clock=loop.time)
        times = await _times(loop, limit, [1000] * 20)
        assert times[0] == 0
        assert times[1] == pytest.approx(10)
        assert times[-1] == pytest.approx(190)

    simulate(main)


def test_tokens_given_back_let_others_leave_sooner() -> None:
    async def main(loop: SimulatedLoop) -> None:
        limit = RateLimit(tokens_per_minute=6000, clock=loop.time)
        await limit.take(5000)
        waiting = asyncio.create_task(limit.take(100))
        await asyncio.sleep(2)
        assert not waiting.done()
        limit.give_back(4900)
        await waiting
        assert loop.now == pytest.approx(2)

    simulate(main)


def test_both_limits_hold() -> None:
    async def main(loop: SimulatedLoop) -> None:
        limit = RateLimit(requests_per_minute=60, tokens_per_minute=60_000, clock=loop.time)
        assert (await _times(loop, limit, [10] * 11))[-1] == pytest.approx(10)
        assert (await _times(loop, limit, [10_000] * 3))[-1] == pytest.approx(10 + 1 + 20, abs=1.1)

    simulate(main)


def test_without_limits_nobody_waits() -> None:
    async def main(loop: SimulatedLoop) -> None:
        assert set(await _times(loop, RateLimit(clock=loop.time), [10**9] * 50)) == {0.0}

    simulate(main)


def test_a_caller_who_leaves_does_not_block_the_others() -> None:
    async def main(loop: SimulatedLoop) -> None:
        limit = RateLimit(requests_per_minute=60, clock=loop.time)
        await limit.take(0)
        leaves = asyncio.create_task(limit.take(0))
        stays = asyncio.create_task(limit.take(0))
        await asyncio.sleep(0)
        leaves.cancel()
        await stays
        assert loop.now == pytest.approx(1)

    simulate(main)


def test_close_wakes_whoever_waits() -> None:
    async def main(loop: SimulatedLoop) -> None:
        limit = RateLimit(requests_per_minute=1, clock=loop.time)
        await limit.take(0)
        waiting = [asyncio.create_task(limit.take(0)) for _ in range(3)]
        await asyncio.sleep(0)
        limit.close(KeyError("over"))
        assert [type(found) for found in await asyncio.gather(*waiting, return_exceptions=True)] == [KeyError] * 3
        with pytest.raises(KeyError):
            await limit.take(0)
        assert loop.now == 0

    simulate(main)
