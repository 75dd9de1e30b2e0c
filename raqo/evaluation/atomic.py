"""Files that are whole or not there."""

from __future__ import annotations

import os
from pathlib import Path

from raqo.errors import RunFolderError, message


def write_atomically(path: Path, text: str) -> None:
    """Replace a text file so that a reader sees the old or the new content, never a part.

    Raises:
        RunFolderError: if the folder cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        problem = f"cannot be written ({error.strerror})"
        raise RunFolderError(message(str(path), problem, "check that its folder exists and has space")) from error
