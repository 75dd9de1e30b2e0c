"""The one event loop on which chat models are asked, in a thread of its own; works in notebooks too."""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

Result = TypeVar("Result")


_starting = threading.RLock()  # a handler of Ctrl-C may come back to it


def chat_loop() -> asyncio.AbstractEventLoop:
    """The loop, started with the first use."""
    with _starting:  # several threads may be the first
        return _started()


@functools.cache
def _started() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="raqo-chat", daemon=True).start()
    return loop


def run_all(coroutines: Iterable[Coroutine[Any, Any, Result]]) -> list[Result]:
    """Run coroutines side by side on the chat loop and wait for all of them; results keep the order.

    If some raise, the first error is raised once all have ended: an answer on its way is paid for and shall arrive.
    """

    async def gathered() -> list[Result | BaseException]:
        return await asyncio.gather(*coroutines, return_exceptions=True)

    found = asyncio.run_coroutine_threadsafe(gathered(), chat_loop()).result()
    for result in found:
        if isinstance(result, BaseException):
            raise result
    return [result for result in found if not isinstance(result, BaseException)]
