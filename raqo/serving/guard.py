"""Runs a command and ends it, with all processes it started, when whoever asked for it goes away, however that happens.

Started as a script of its own. Standard input is the thread of life: the kernel closes it even if the parent is killed.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time

GRACE_S = 10.0


def main(command: list[str]) -> int:
    """Run a command until it ends, standard input closes, or SIGTERM comes; return its exit status."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    engine = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
    threading.Thread(target=_end_with_input, daemon=True).start()
    try:
        return engine.wait()
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        _end(engine)


def _end_with_input() -> None:
    while os.read(sys.stdin.fileno(), 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


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
