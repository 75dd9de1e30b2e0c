"""Files and folders that are whole or not there, whatever happens while they are written."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any, BinaryIO

from raqo.errors import RunFolderError, message


def write_text(path: Path, text: str) -> None:
    """Replace a text file: a reader sees the old or the new content, never a part. Missing folders are made.

    Raises:
        RunFolderError: read-only or full.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, unfinished = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.replace(unfinished, path)
        except BaseException:
            os.unlink(unfinished)
            raise
    except OSError as error:
        problem = f"cannot be written ({error.strerror})"
        raise RunFolderError(message(str(path), problem, "free the disk or choose another folder")) from error


def write_json(path: Path, value: Any) -> None:
    """`write_text` of indented JSON."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def open_locked(path: Path) -> BinaryIO:
    """Open a file, made where missing, for reading and appending by this process alone, unbuffered.

    Raises:
        RunFolderError: it cannot be opened, or another process has it open.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = open(path, "a+b", buffering=0)  # noqa: SIM115 - lives as long as its owner
    except OSError as error:
        problem = f"cannot be opened ({error.strerror})"
        raise RunFolderError(message(str(path), problem, "choose another folder")) from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        problem = "another process is writing it"
        raise RunFolderError(message(str(path), problem, "wait for it, or choose another run folder")) from error
    return file


def put_in_place(new: Path, folder: Path) -> None:
    """Sync a finished folder to disk and give it its name; what had the name before is deleted.

    Between the two renames of a process killed there, the old content waits beside it: see `recover`.
    """
    for path in [*new.rglob("*"), new]:
        sync(path)
    old = _old(folder)
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        os.replace(folder, old)
    os.replace(new, folder)
    sync(folder.parent)
    shutil.rmtree(old, ignore_errors=True)


def recover(folder: Path) -> None:
    """Bring back the old content of a folder whose replacement was cut off by a kill."""
    if _old(folder).exists() and not folder.exists():
        os.replace(_old(folder), folder)


def sync(path: Path) -> None:
    """Have a file or a folder's entries on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _old(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.old")
