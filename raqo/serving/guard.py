"""Runs a command and ends it, with all processes it started, when whoever asked for it goes away, however that happens.

Started as a script of its own. Standard input is the thread of life: the kernel closes it even if the parent is killed.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import time

GRACE_S = 10.0
_POLL_S = 0.1


def main(command: list[str]) -> int:
    """Run a command until it ends, standard input closes, or SIGTERM comes; return its exit status, or 0."""
    asked: list[int] = []
    # only noted: an exception out of a handler, or a system call that the signal comes just before, would lose it
    signal.signal(signal.SIGTERM, lambda number, _: asked.append(number))
    engine = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        while (status := engine.poll()) is None and not asked and not _input_ends_within(_POLL_S):
            pass
        return status or 0
    finally:
        _end(engine)


def _input_ends_within(seconds: float) -> bool:
    readable, _, _ = select.select([sys.stdin.fileno()], [], [], seconds)
    return bool(readable) and not os.read(sys.stdin.fileno(), 4096)


def _end(engine: subprocess.Popen[bytes]) -> None:
    """End the whole process group: ask, wait, kill."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(engine.pid, signal.SIGTERM)
        deadline = time.monotonic() + GRACE_S
        while time.monotonic() < deadline:
            engine.poll()
            os.killpg(engine.pid, 0)
            time.sleep(0.05)
        os.killpg(engine.pid, signal.SIGKILL)
    engine.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
