"""How much memory a run takes."""

from __future__ import annotations

import threading
from types import TracebackType


class PeakMemory:
    """Samples the resident memory of this process and its children while it is entered."""

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
            self.peak_mb = max(self.peak_mb, _resident(process) / 2**20)
            if self._stop.wait(self._seconds):
                return


def _resident(process: object) -> float:
    import psutil

    assert isinstance(process, psutil.Process)
    total = float(process.memory_info().rss)
    for child in process.children(recursive=True):
        try:
            total += child.memory_info().rss
        except psutil.Error:
            continue  # it has just ended
    return total
