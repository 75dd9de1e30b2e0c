"""An engine as a child process that never outlives its parent."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from raqo.serving import guard
from raqo.serving.engine import Engine

LOG_LINES = 40
_LINE_CHARACTERS = 2000
_LAST_WORDS_S = 10.0


class EngineProcess:
    """A running engine; use it as a context manager.

    The engine runs in a session of its own under `raqo.serving.guard`: Ctrl-C in a terminal reaches it only once its
    gateway is done, and it ends with this process even if that is killed.
    """

    def __init__(self, engine: Engine, *, folder: Path, withheld: Sequence[str] = ()) -> None:
        """Prepare; the engine starts with the context.

        Args:
            engine: what to run.
            folder: its working directory.
            withheld: names of environment variables that the engine does not get.
        """
        self._engine = engine
        self._folder = folder
        self._withheld = frozenset(withheld)
        self._lines: deque[str] = deque(maxlen=LOG_LINES)

    def __enter__(self) -> Self:
        kept = {name: value for name, value in os.environ.items() if name not in self._withheld}
        self._process = subprocess.Popen(
            [sys.executable, "-I", guard.__file__, *self._engine.command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=self._folder,
            env={**kept, **self._engine.environment},
            text=True,
            errors="replace",
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, name="engine-log", daemon=True)
        self._reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait()
        self._reader.join(timeout=_LAST_WORDS_S)
        self._process.stdout.close()

    @property
    def ended(self) -> bool:
        """Whether the engine has stopped by itself."""
        return self._process.poll() is not None

    @property
    def last_lines(self) -> str:
        """What the engine wrote last."""
        if self.ended:
            self._reader.join(timeout=_LAST_WORDS_S)
        return "\n".join(self._lines)

    def _read(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            self._lines.append(line.rstrip()[:_LINE_CHARACTERS])


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
