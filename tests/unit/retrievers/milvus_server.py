"""A Milvus server process on this machine, for tests."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

READY_WITHIN = 600.0

_PROGRAM = """
import os, sys, threading
threading.Thread(target=lambda: (sys.stdin.buffer.read(), os._exit(0)), daemon=True).start()
from milvus_lite.cmdline import main
main(sys.argv[1:])
"""
"""The command `milvus-lite`, which also ends when whoever started it is gone and its input is closed."""


@contextmanager
def milvus_server(data: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Start a server on a free port of 127.0.0.1; give its address and the process, and end it in any case."""
    port = _free_port()
    command = ["server", "--data-dir", str(data), "--host", "127.0.0.1", "--port", str(port)]
    with open(data.with_suffix(".log"), "wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, *command],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            _wait_for(port, process, data.with_suffix(".log"))
            yield f"http://127.0.0.1:{port}", process
        finally:
            _end(process)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    last = time.monotonic() + READY_WITHIN
    while time.monotonic() < last:
        assert process.poll() is None, f"the server ended: {log.read_text()}"
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
            return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"the server did not start: {log.read_text()}")


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the process and whatever it started."""
    for number in (signal.SIGINT, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(timeout=20)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue
    process.wait()
    assert process.stdin is not None
    process.stdin.close()
