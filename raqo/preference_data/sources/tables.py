"""Large tables row by row: CSV and TSV with a header, plain or gzipped."""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TextIO

from raqo.errors import DataError, message, nearest
from raqo.preference_data.sources.files import has_bad_bytes, unreadable
from raqo.preference_data.sources.problems import Problems, Reason

MAX_FIELD = 64 << 20  # bytes of one field; a longer one is most likely an unclosed quote


def read_table(path: Path, columns: Sequence[str], problems: Problems) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield ``file:line`` and the wanted columns of each row, one row at a time; bad rows are noted.

    Args:
        path: ``.tsv`` is split at tabs, anything else at commas; ``.gz`` is unpacked while reading.
        columns: columns that must be there; others are dropped.
        problems: where bad rows go.

    Raises:
        DataError: unreadable file, or a column is missing.
    """
    csv.field_size_limit(MAX_FIELD)
    try:
        with _open(path) as file:
            reader = csv.DictReader(file, delimiter="\t" if ".tsv" in path.suffixes else ",", strict=True)
            _check_header(path, reader.fieldnames or (), columns)
            while (found := _next(reader, path, problems)) is not None:
                where, row = found
                if None in row or None in row.values():
                    fix = f"give {len(reader.fieldnames or ())} fields, in quotes where they hold separators"
                    problems.add(Reason.MALFORMED, where, "wrong number of fields", fix)
                elif any(has_bad_bytes(row[column]) for column in columns):
                    problems.add(Reason.ENCODING, where, "bytes that are not UTF-8", "save the file as UTF-8")
                else:
                    yield where, {column: row[column] for column in columns}
    except OSError as error:
        raise unreadable(path, error) from error
    except (EOFError, zlib.error) as error:
        raise DataError(message(str(path), f"the archive is damaged ({error})", "fetch it again")) from error
    except csv.Error as error:
        raise DataError(message(f"{path}:1", f"not a valid table ({error})", "correct the header")) from error


def _open(path: Path) -> TextIO:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig", errors="surrogateescape", newline="")
    return path.open(encoding="utf-8-sig", errors="surrogateescape", newline="")


def _next(reader: csv.DictReader[str], path: Path, problems: Problems) -> tuple[str, dict[str, str]] | None:
    """The next row that can be parsed; None at the end."""
    while True:
        try:
            return f"{path}:{reader.line_num + 1}", next(reader)
        except StopIteration:
            return None
        except csv.Error as error:
            problems.add(Reason.MALFORMED, f"{path}:{reader.line_num}", f"not a valid row ({error})", "quote it")


def _check_header(path: Path, header: Sequence[str], columns: Sequence[str]) -> None:
    for column in columns:
        if column not in header:
            problem = f"no column {column!r}{nearest(column, header)}; there are {', '.join(header) or 'none'}"
            raise DataError(message(f"{path}:1", problem, "correct the header, or check which file it is"))
