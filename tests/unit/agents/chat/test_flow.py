from __future__ import annotations

import asyncio
import heapq
import random

import pytest

from raqo.agents.chat.flow import AdaptiveLimit

LATENCY = 1.0


class Server:
    """Room for so many calls at once, in simulated time; calls beyond it are refused after a hundredth of the latency.

    `play` keeps the limit's slots in use for a while and returns the mean share of the room in use.
    """

    def __init__(self, room: int, *, fault_share: float = 0.0, seed: int = 0) -> None:
        self.room = room
        self.refused = self.answered = 0
        self.peak = 0
        self._busy = 0
        self._faults = fault_share
        self._rng = random.Random(seed)
        self._now = 0.0
        self._ends: list[tuple[float, int, bool, int]] = []
        self._started = 0

    def play(self, limit: AdaptiveLimit, seconds: float) -> float:
        return asyncio.run(self._play(limit, seconds))

    async def _play(self, limit: AdaptiveLimit, seconds: float) -> float:
        until, used = self._now + seconds, 0.0
        while self._now < until:
            while limit.in_flight < limit.limit:
                await self._start(limit)
            end, _, accepted, slot = heapq.heappop(self._ends)
            used += self._busy * (end - self._now)
            self._now = end
            self._busy -= accepted
            self.answered += accepted
            limit.release(slot, overloaded=not accepted)
        return used / seconds / self.room

    async def _start(self, limit: AdaptiveLimit) -> None:
        slot = await limit.acquire()
        accepted = self._busy < self.room and self._rng.random() >= self._faults
        self._busy += accepted
        self.peak = max(self.peak, limit.in_flight)
        self.refused += not accepted
        takes = LATENCY * self._rng.uniform(0.8, 1.2) if accepted else LATENCY / 100
        self._started += 1
        heapq.heappush(self._ends, (self._now + takes, self._started, accepted, slot))


@pytest.mark.parametrize("room", [1, 2, 3, 5, 10, 33, 64, 200])
def test_a_servers_room_is_used(room: int) -> None:
    limit, server = AdaptiveLimit(start=8, maximum=256), Server(room)
    server.play(limit, 20)
    refused = server.refused
    assert server.play(limit, 400) > 0.9
    assert server.refused - refused < 0.05 * 400 * room + 120


def test_it_doubles_per_round_trip_up_to_the_maximum() -> None:
    limit, server = AdaptiveLimit(start=8, maximum=64), Server(1000)
    server.play(limit, 1.3)
    assert 14 <= limit.limit <= 20
    server.play(limit, 4)
    assert limit.limit == 64
    server.play(limit, 10)
    assert limit.limit == server.peak == 64


def test_an_overload_halves_once_per_round_trip() -> None:
    async def main() -> None:
        limit = AdaptiveLimit(start=40, maximum=64)
        slots = [await limit.acquire() for _ in range(40)]
        for slot in slots:
            limit.release(slot, overloaded=True)
        assert limit.limit == 20
        slots = [await limit.acquire() for _ in range(20)]
        for slot in slots:
            limit.release(slot, overloaded=True)
        assert 9 <= limit.limit <= 10

    asyncio.run(main())


def test_it_never_falls_below_one_and_recovers() -> None:
    limit, server = AdaptiveLimit(start=8, maximum=64), Server(0 + 1)
    server.room = 0
    for _ in range(50):
        asyncio.run(_all_refused(limit))
        assert limit.limit >= 1
    assert limit.limit == 1
    server.room = 64
    assert server.play(limit, 400) > 0
    assert limit.limit >= 58


async def _all_refused(limit: AdaptiveLimit) -> None:
    slots = [await limit.acquire() for _ in range(limit.limit)]
    for slot in slots:
        limit.release(slot, overloaded=True)


def test_it_follows_a_server_that_changes() -> None:
    limit, server = AdaptiveLimit(start=8, maximum=256), Server(128)
    server.play(limit, 50)
    server.room = 16
    server.play(limit, 20)
    assert limit.limit <= 18
    server.room = 128
    server.play(limit, 120)
    assert server.play(limit, 50) > 0.9


def test_a_few_lost_calls_are_no_overload() -> None:
    limit, server = AdaptiveLimit(start=8, maximum=64), Server(1000, fault_share=0.07)
    server.play(limit, 20)
    assert server.play(limit, 200) * server.room > 0.9 * 64


def test_an_unused_limit_does_not_grow() -> None:
    async def main() -> None:
        limit = AdaptiveLimit(start=8, maximum=64)
        for _ in range(500):
            limit.release(await limit.acquire(), overloaded=False)
        assert limit.limit == 8

    asyncio.run(main())


def test_first_come_first_served() -> None:
    async def main() -> None:
        limit, order = AdaptiveLimit(start=2, maximum=2), []

        async def one(number: int) -> None:
            slot = await limit.acquire()
            assert limit.in_flight <= 2
            order.append(number)
            await asyncio.sleep(0)
            limit.release(slot, overloaded=False)

        await asyncio.gather(*map(one, range(50)))
        assert order == list(range(50))
        assert limit.in_flight == 0

    asyncio.run(main())


@pytest.mark.parametrize("given", [False, True])
def test_a_cancelled_caller_loses_no_slot(given: bool) -> None:
    async def main() -> None:
        limit = AdaptiveLimit(start=1, maximum=1)
        slot = await limit.acquire()
        waits = asyncio.create_task(limit.acquire())
        await asyncio.sleep(0)
        if given:
            limit.release(slot)
            waits.cancel()
        else:
            waits.cancel()
            await asyncio.sleep(0)
            limit.release(slot)
        await asyncio.gather(waits, return_exceptions=True)
        await asyncio.wait_for(limit.acquire(), 60)
        assert limit.in_flight == 1

    asyncio.run(main())


def test_close_raises_in_all_who_wait_and_keeps_slots_valid() -> None:
    async def main() -> None:
        limit = AdaptiveLimit(start=1, maximum=1)
        slot = await limit.acquire()
        waiting = [asyncio.create_task(limit.acquire()) for _ in range(3)]
        await asyncio.sleep(0)
        limit.close(KeyError("over"))
        found = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(error) for error in found] == [KeyError] * 3
        limit.release(slot, overloaded=False)
        assert limit.in_flight == 0
        with pytest.raises(KeyError):
            await limit.acquire()

    asyncio.run(main())
