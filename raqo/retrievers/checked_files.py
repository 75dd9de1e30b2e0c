"""Files that shall hold what was written: hashed once, and again only when they may have changed."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from raqo.errors import RunFolderError
from raqo.files import write_text

CHECKED = "checked.txt"
"""In the folder of the files; a line for each that was found right, and the state it was in."""

SETTLED_NS = 2_000_000_000
"""Age from which a change must show in a file's times: no clock of a file system ticks more slowly."""


def changed_files(folder: Path, digests: Mapping[str, str]) -> list[str]:
    """Names of the files in a folder that do not hash to their digests.

    A file that was found right is not read again while its size, the time of its last change and that of its inode's
    last change are the same. Every write moves these times, and so does making a copy. Not found any more is damage
    that moves none of them: a disk that gives back other bytes than it was given, a write past the file system, or one
    through a memory map that was open for writing all the time.

    A file changed less than two seconds ago is hashed and not remembered, as a second change could leave no trace in
    its times; so is everything in a folder that cannot be written.

    Args:
        folder: of the files.
        digests: SHA-256 by name, in hexadecimal digits.

    Raises:
        OSError: a file is missing or cannot be read.
    """
    now = time.time_ns()
    known = _known(folder)
    settled: set[str] = set()
    changed = []
    for name, digest in digests.items():
        state = (folder / name).stat()
        line = f"{digest} {state.st_size} {state.st_mtime_ns} {state.st_ctime_ns} {name}"
        if line not in known and file_digest(folder / name) != digest:
            changed.append(name)
        elif now - max(state.st_mtime_ns, state.st_ctime_ns) > SETTLED_NS:
            settled.add(line)
    if settled - known:
        _remember(folder, settled)
    return changed


def file_digest(path: Path) -> str:
    """SHA-256 of a file in hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _known(folder: Path) -> set[str]:
    try:
        return set((folder / CHECKED).read_text(encoding="utf-8").splitlines())
    except (OSError, UnicodeDecodeError):
        return set()


def _remember(folder: Path, lines: set[str]) -> None:
    if not folder.is_dir():
        return  # deleted meanwhile; writing would bring it back
    with suppress(RunFolderError):
        write_text(folder / CHECKED, "".join(f"{line}\n" for line in sorted(lines)))
