"""Files and folders that are whole or not there, whatever happens while they are written."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from raqo.errors import RunFolderError, message

_PERMISSIONS = 0o777


def write_text(path: Path, text: str) -> None:
    """Replace a text file: a reader sees the old or the new content, never a part. Missing folders are made.

    Its permissions are those of `replacing`.

    Raises:
        RunFolderError: read-only or full.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as file:
            file.write(text.encode("utf-8"))
    except OSError as error:
        problem = f"cannot be written ({error.strerror})"
        raise RunFolderError(message(str(path), problem, "free the disk or choose another folder")) from error


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file to write into, which takes the place of `path`, synced to disk, when the block ends without an error.

    As with `open`, a new file gets the permissions that the umask leaves, and one that was there keeps its own.

    Raises:
        OSError: read-only or full; the file is as it was.
    """
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    with open(unfinished, "xb") as file:
        try:
            with suppress(FileNotFoundError):
                os.fchmod(file.fileno(), path.stat().st_mode & _PERMISSIONS)
            yield file
            file.flush()
            os.fsync(file.fileno())
            os.replace(unfinished, path)
        except BaseException:
            unfinished.unlink(missing_ok=True)
            raise


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

    Whoever may read the folder may read its files, also those that a library made for their owner alone (safetensors).
    Between the two renames of a process killed there, the old content waits beside it: see `recover`.
    """
    shared = new.stat().st_mode & 0o666
    for path in [*new.rglob("*"), new]:
        mode = path.stat().st_mode & _PERMISSIONS
        if path.is_file() and not path.is_symlink() and mode | shared != mode:
            path.chmod(mode | shared)
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
