"""Several pieces of work side by side, each in a thread, and an orderly end when one of them fails."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from queue import SimpleQueue
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def run_in_flight(work: Callable[[Item], Result], items: Iterable[Item], *, limit: int) -> Iterator[Result]:
    """Do work for each item, at most `limit` at once, and yield the results as they come.

    After an error nothing new starts; what is on its way ends and is yielded; then the first error is raised. Items are
    drawn one by one, so no more than `limit` of them are alive. With a limit of 1 the calling thread does the work.
    """
    if limit == 1:
        yield from map(work, items)
        return
    ended: SimpleQueue[Future[Result]] = SimpleQueue()
    waiting, running = iter(items), 0
    first: BaseException | None = None
    while True:
        while first is None and running < limit and (item := next(waiting, None)) is not None:
            _start(work, item, ended)
            running += 1
        if not running:
            break
        done = ended.get()
        running -= 1
        failed = done.exception()
        first = first or failed
        if failed is None:
            yield done.result()
    if first is not None:
        raise first


def _start(work: Callable[[Item], Result], item: Item, ended: SimpleQueue[Future[Result]]) -> None:
    """Begin in a daemon thread: a process that is told to end at once (Ctrl-C) does not wait for it."""

    def run() -> None:
        future: Future[Result] = Future()
        try:
            future.set_result(work(item))
        except BaseException as error:
            future.set_exception(error)
        ended.put(future)

    threading.Thread(target=run, name="raqo-batch", daemon=True).start()
