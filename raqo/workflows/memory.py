"""How much memory a run takes."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psutil


class PeakMemory:
    """Samples the memory of this process and its children while it is entered; what they share counts once."""

    def __init__(self, *, seconds: float = 0.25) -> None:
        self._seconds = seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.peak_mb = 0.0

    def __enter__(self) -> PeakMemory:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        import psutil

        process = psutil.Process()
        while True:
            self.peak_mb = max(self.peak_mb, _taken(process) / 2**20)
            if self._stop.wait(self._seconds):
                return


def _taken(process: psutil.Process) -> float:
    """Bytes of all processes; where the system tells, each page is divided among those that share it (a fork)."""
    import psutil

    total = 0.0
    for one in (process, *process.children(recursive=True)):
        try:
            full = one.memory_full_info()
            total += getattr(full, "pss", full.rss)
        except psutil.Error:
            continue  # it has just ended
    return total
