"""The file of kept answers: a SQLite database that survives kill -9 and may be shared by processes."""

from __future__ import annotations

import dataclasses
import json
import logging
import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path

from raqo.errors import DataError, RunFolderError, message
from raqo.protocols import ChatResult

logger = logging.getLogger(__name__)

_APPLICATION = 0x7261716F  # marks our files, so that nobody else's database is written to
_PATIENCE_S = 60.0  # another process may write or prune meanwhile, and a machine may stand still
_NEW = f"""
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, results TEXT NOT NULL, time REAL NOT NULL) WITHOUT ROWID;
PRAGMA application_id = {_APPLICATION};
COMMIT;
"""


class AnswerStore:
    """Answers by key. What is wrong with the file costs answers, not the run, and is logged once."""

    def __init__(self, path: str | Path) -> None:
        """Open the file, made where missing.

        Raises:
            DataError: the file is something else.
            RunFolderError: the file cannot be opened.
        """
        self._path = Path(path)
        self._rows = _open(self._path)
        self._warned = False

    def read(self, key: str, n: int) -> list[ChatResult] | None:
        """The n completions kept under a key; ``None`` where there are none, or none that can be read."""
        try:
            row = self._rows.execute("SELECT results FROM answers WHERE key = ?", (key,)).fetchone()
            if row is None:
                return None
            results = [_result(*values) for values in json.loads(row[0])]
            if len(results) != n:
                raise ValueError(f"{len(results)} answers for {n}")
        except (sqlite3.Error, ValueError, TypeError) as error:
            self._warn("an answer cannot be read and will be asked for again", error)
            return None
        return results

    def write(self, key: str, results: Sequence[ChatResult]) -> None:
        """Keep completions, in the place of older ones; they are in the file when the call returns."""
        values = json.dumps([dataclasses.astuple(result) for result in results])
        try:
            self._rows.execute("INSERT OR REPLACE INTO answers VALUES (?, ?, ?)", (key, values, time.time()))
        except sqlite3.Error as error:
            self._warn("an answer cannot be kept", error)

    def prune(self, older_than_s: float | None) -> int:
        """Remove answers older than so many seconds, or all, give the room back, and return how many they were.

        Raises:
            RunFolderError: the file cannot be written.
        """
        latest = float("inf") if older_than_s is None else time.time() - older_than_s
        try:
            removed = self._rows.execute("DELETE FROM answers WHERE time <= ?", (latest,)).rowcount
            self._rows.execute("VACUUM")
        except sqlite3.Error as error:
            problem = f"cannot be pruned ({error})"
            raise RunFolderError(message(str(self._path), problem, "try again, or remove it")) from error
        return removed

    def close(self) -> None:
        """Close the file."""
        self._rows.close()

    def _warn(self, problem: str, error: Exception) -> None:
        if not self._warned:
            self._warned = True
            logger.warning("%s: %s (%s); said once. Remove the file to start afresh.", self._path, problem, error)


def _result(text: str, finish_reason: str, prompt_tokens: int, completion_tokens: int) -> ChatResult:
    if not (isinstance(text, str) and isinstance(finish_reason, str)):
        raise ValueError("a text is missing")
    return ChatResult(text, finish_reason, int(prompt_tokens), int(completion_tokens))


def _open(path: Path) -> sqlite3.Connection:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = sqlite3.connect(path, timeout=_PATIENCE_S, isolation_level=None, check_same_thread=False)
    except (OSError, sqlite3.Error) as error:
        problem = f"the answer cache cannot be opened ({error})"
        raise RunFolderError(message(str(path), problem, "choose another file, or --no-cache")) from error
    try:
        _prepare(rows)
    except sqlite3.Error as error:
        if error.sqlite_errorname.startswith("SQLITE_CORRUPT"):
            return rows  # every question is a miss then, and the first says so
        rows.close()
        if error.sqlite_errorname == "SQLITE_NOTADB":
            raise _other(path) from error
        problem = f"the answer cache cannot be used ({error})"
        raise RunFolderError(message(str(path), problem, "remove it, or use --no-cache")) from error
    except LookupError as error:
        rows.close()
        raise _other(path) from error
    return rows


def _prepare(rows: sqlite3.Connection) -> None:
    (tables,) = rows.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if tables and rows.execute("PRAGMA application_id").fetchone() != (_APPLICATION,):
        raise LookupError("another program's database")
    deadline = time.monotonic() + _PATIENCE_S
    while True:  # two processes may make the file at once, and this change of mode does not wait by itself
        try:
            rows.execute("PRAGMA journal_mode = WAL")
            break
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
    rows.execute("PRAGMA synchronous = NORMAL")
    if not tables:
        rows.executescript(_NEW)


def _other(path: Path) -> DataError:
    return DataError(message(str(path), "expected an answer cache, found another kind of file", "give another path"))
