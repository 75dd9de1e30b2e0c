"""Ctrl-C while answers that cost money are on their way."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from raqo.workflows.progress import say


@contextmanager
def first_interrupt_stops(stop: Callable[[], None]) -> Iterator[None]:
    """Let the first Ctrl-C call `stop` and the second one end at once; in other threads than the main one, nothing."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGINT)

    def stop_once(_number: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        stop()
        say("stopping: answers on their way are awaited and kept; Ctrl-C again ends at once")

    signal.signal(signal.SIGINT, stop_once)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
