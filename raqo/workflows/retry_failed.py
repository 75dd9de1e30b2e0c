"""`raqo mine --retry-failed`: queries with a failure go through mining once more."""

from __future__ import annotations

import json
import os
from pathlib import Path

from raqo.errors import RunFolderError, message
from raqo.files import replacing, sync
from raqo.preference_data.trace_log import TraceLog, read_traces
from raqo.workflows.progress import say


def forget_failed(path: Path, *, retriever: str, settings: str) -> int:
    """Take the queries with a failure out of a trace log, all traces of theirs; the log as it was is kept beside it.

    The new log replaces the old one whole or not at all.

    Returns:
        Queries that are to be mined again.

    Raises:
        FingerprintError: the log was made with another retriever or other settings.
        RunFolderError: the log is in use, or cannot be written.
    """
    with TraceLog(path, retriever=retriever, settings=settings):
        failed = {trace.query_id for trace in read_traces(path) if trace.failure}
        if not failed:
            return 0
        try:
            aside = _set_aside(path)
            _write_without(path, failed)
        except OSError as error:
            problem = f"cannot be written anew ({error.strerror})"
            raise RunFolderError(message(str(path), problem, "make room, then try again")) from error
    say(f"mine: {len(failed)} failed queries are mined again; the log before is kept as {aside.name}")
    return len(failed)


def _set_aside(path: Path) -> Path:
    """Give the log a second name, one that is free."""
    number = 1
    while (aside := path.with_name(f"{path.stem}-before-retry-{number}{path.suffix}")).exists():
        number += 1
    os.link(path, aside)
    return aside


def _write_without(path: Path, failed: set[str]) -> None:
    with path.open("rb") as old, replacing(path) as new:
        for line in old:
            if json.loads(line).get("query_id") not in failed:
                new.write(line)
    sync(path.parent)
