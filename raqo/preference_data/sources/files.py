"""Reading files that may be wrong: text with its line numbers, and image paths that must stay in their folder."""

from __future__ import annotations

import gzip
import json
import os
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

from raqo.errors import DataError, message
from raqo.preference_data.sources.problems import Problems, Reason

MAX_LINE = 64 << 20
"""Bytes of one line; a longer one is noted and passed over unread, so that no archive can fill the memory."""

_BAD_BYTES = range(0xDC80, 0xDD00)  # how "surrogateescape" marks bytes that are not UTF-8


def has_bad_bytes(text: str) -> bool:
    """Whether a text read with ``surrogateescape`` held bytes that are not UTF-8."""
    return any(ord(letter) in _BAD_BYTES for letter in text)


def clean_caption(value: Any, where: str, problems: Problems) -> str | None:
    """Fold the blanks of a caption; None (noted) if it is no text, empty, or not UTF-8."""
    if not isinstance(value, str):
        problems.add(Reason.MALFORMED, where, f"the caption is not text but {type(value).__name__}", "correct it")
        return None
    if has_bad_bytes(value):
        problems.add(Reason.ENCODING, where, "bytes that are not UTF-8", "save the file as UTF-8")
        return None
    caption = " ".join(value.split())
    if not caption:
        problems.add(Reason.EMPTY, where, "the caption is empty", "write or delete it")
        return None
    return caption


def read_json(path: Path) -> Any:
    """Read one JSON document; bytes that are not UTF-8 survive marked, so that single entries can be skipped.

    Raises:
        DataError: unreadable file or broken JSON (never skippable).
    """
    try:
        return json.loads(path.read_bytes().decode("utf-8-sig", "surrogateescape"))
    except OSError as error:
        raise unreadable(path, error) from error
    except json.JSONDecodeError as error:
        where = f"{path}:{error.lineno}:{error.colno}"
        raise DataError(
            message(where, f"not valid JSON ({error.msg})", "correct it or fetch the file again")
        ) from error
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, or nested too deeply
        raise DataError(message(str(path), f"JSON that cannot be read ({error})", "fetch the file again")) from error


def read_jsonl(path: Path, problems: Problems) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield ``file:line`` and the object of each line, one line at a time; bad lines are noted.

    A file whose name ends in ``.gz`` is unpacked while it is read.

    Raises:
        DataError: the file cannot be opened, or an archive is cut off or damaged (never skippable).
    """
    try:
        with _opened(path) as file:
            for number, line in enumerate(_lines(file), 1):
                where = f"{path}:{number}"
                if line is None:
                    problems.add(
                        Reason.MALFORMED, where, f"more than {MAX_LINE:,} bytes in one line", "split the entry"
                    )
                elif line.strip() and (row := _object(line, where, problems)) is not None:
                    yield where, row
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(message(str(path), f"the archive is damaged ({error})", "fetch it again")) from error
    except OSError as error:
        raise unreadable(path, error) from error


def _opened(path: Path) -> BinaryIO:
    return cast(BinaryIO, gzip.open(path)) if path.suffix == ".gz" else path.open("rb")


def _lines(file: BinaryIO) -> Iterator[bytes | None]:
    """Each line, or None in the place of one that is too long."""
    while line := file.readline(MAX_LINE + 1):
        if len(line) <= MAX_LINE or line.endswith(b"\n"):
            yield line
            continue
        while line and not line.endswith(b"\n"):
            line = file.readline(1 << 20)
        yield None


def _object(line: bytes, where: str, problems: Problems) -> dict[str, Any] | None:
    try:
        row = json.loads(line.decode("utf-8-sig"))
    except UnicodeDecodeError:
        problems.add(Reason.ENCODING, where, "bytes that are not UTF-8", "save the file as UTF-8")
        return None
    # not only JSONDecodeError: a number of thousands of digits is a plain ValueError
    except (ValueError, RecursionError) as error:
        problems.add(Reason.MALFORMED, where, f"not valid JSON ({error})", "correct or delete the line")
        return None
    if not isinstance(row, dict):
        problems.add(Reason.MALFORMED, where, f"expected an object, got {type(row).__name__}", "correct the line")
        return None
    return row


def image_path(root: Path, name: str, where: str, problems: Problems) -> str | None:
    """Path of an image inside `root`; None (noted) if it would lie outside or is not there.

    The test is on the path as written: links that the user placed inside the folder may point anywhere, while an entry
    such as ``../../etc/passwd`` or ``/etc/passwd`` cannot leave it.
    """
    base = os.path.abspath(root)
    path = os.path.normpath(os.path.join(base, name))
    if not name.strip() or "\0" in name or has_bad_bytes(name):
        problems.add(Reason.MALFORMED, where, f"{name!r} is no image path", "correct it")
    elif os.path.commonpath([base, path]) != base:
        fix = "set images to the folder that holds all images"
        problems.add(Reason.OUTSIDE, where, f"image {name!r} lies outside {base}", fix)
    elif not os.path.isfile(path):
        problems.add(Reason.MISSING_IMAGE, where, f"image {path} does not exist", "add the file, or correct images")
    else:
        return path
    return None


def image_root(images: str | None, candidates: Iterable[Path], probes: Iterable[str]) -> Path:
    """The folder given by the user, else the first candidate that holds one of the probed images, else the first.

    Raises:
        DataError: the folder given does not exist.
    """
    if images is not None:
        if not Path(images).is_dir():
            raise DataError(message(images, "the image folder does not exist", "correct the setting images"))
        return Path(images)
    folders, names = list(candidates), [name for name in probes if name and "\0" not in name]
    found = (folder for folder in folders if any((folder / name).is_file() for name in names))
    return next(found, folders[0])


def unreadable(path: Path, error: OSError) -> DataError:
    """The error for a file that cannot be opened."""
    return DataError(message(str(path), f"cannot be read ({error.strerror or error})", "check the path and its rights"))
