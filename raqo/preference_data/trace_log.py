"""The append-only log of mining: one JSON line per finished query, on disk before the next batch starts.

The first line says under which retriever and settings the log was made. A process may be killed at any moment: at most
the batch being written is lost, a torn line is cut off at the next start, and `TraceLog.done` says what is not to redo.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from pydantic import TypeAdapter, ValidationError

from raqo.errors import DataError, FingerprintError, RunFolderError, message
from raqo.files import open_locked, sync
from raqo.records import Origin, Trace

logger = logging.getLogger(__name__)
FORMAT = 1
TraceKey = tuple[str, Origin]


@dataclass(frozen=True, slots=True)
class LogHeader:
    """First line of a log.

    Attributes:
        trace_log: version of the file format.
        retriever: fingerprint of the retriever that all traces of the log were made with.
        settings: hash of the mining settings.
    """

    trace_log: int
    retriever: str
    settings: str


_HEADER = TypeAdapter(LogHeader)
_TRACE = TypeAdapter(Trace)


class TraceLog:
    """A log opened for writing by this process alone; a `raqo.protocols.TraceSink`.

    Args:
        path: the log file; created with its folder if it is not there.
        retriever: fingerprint of the retriever in use.
        settings: hash of the mining settings in use.

    Raises:
        FingerprintError: the log was made with another retriever or other settings.
        RunFolderError: the file cannot be written, or another process is writing it.
        DataError: a line other than a torn last one is broken.
    """

    def __init__(self, path: str | Path, *, retriever: str, settings: str) -> None:
        self.path = Path(path)
        self._header = LogHeader(FORMAT, retriever, settings)
        self._file = open_locked(self.path)
        try:
            _cut_torn_line(self._file, self.path)
            if self._file.seek(0, os.SEEK_END) == 0:
                self._append(_line(self._header))
                sync(self.path.parent)
            _check_header(read_header(self.path), self._header, self.path)
            self._done = {(trace.query_id, trace.origin) for trace in read_traces(self.path)}
        except BaseException:
            self.close()
            raise

    @property
    def done(self) -> frozenset[TraceKey]:
        """(query id, origin) of every trace on disk."""
        return frozenset(self._done)

    def write(self, traces: Sequence[Trace]) -> None:
        """Append traces; they are on disk when the call returns. Traces that the log has already are left out.

        Raises:
            FingerprintError: a trace was made with another retriever than the log.
            RunFolderError: no space, no rights; the log stays as it was before the call.
            DataError: a trace holds a number that is not finite.
        """
        new: dict[TraceKey, Trace] = {}
        for trace in traces:
            if trace.provenance.retriever != self._header.retriever:
                raise _mixed(
                    f"{self.path}: trace {trace.query_id!r}", trace.provenance.retriever, self._header.retriever
                )
            if (trace.query_id, trace.origin) not in self._done:
                new.setdefault((trace.query_id, trace.origin), trace)
        if new:
            self._append(b"".join(_line(trace) for trace in new.values()))
            self._done.update(new)

    def close(self) -> None:
        """Close the file and let go of the lock."""
        self._file.close()

    def __enter__(self) -> TraceLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _append(self, content: bytes) -> None:
        """Write everything or nothing, with one system call as the rule."""
        descriptor = self._file.fileno()
        before = os.fstat(descriptor).st_size
        try:
            written = 0
            while written < len(content):  # a disk that runs full takes a part first and errs on the next call
                written += os.write(descriptor, content[written:])
            os.fsync(descriptor)
        except OSError as error:
            with contextlib.suppress(OSError):  # what is left over is a torn line, cut off at the next start
                os.ftruncate(descriptor, before)
            problem = f"cannot be written ({error.strerror}); everything before is intact"
            raise RunFolderError(message(str(self.path), problem, "make room, then resume")) from error


def read_header(path: str | Path) -> LogHeader:
    """Read the first line of a log.

    Raises:
        DataError: it is no trace log.
    """
    with _open_read(Path(path)) as file:
        line = file.readline()
    try:
        header = _HEADER.validate_json(line, strict=True)
    except ValidationError as error:
        raise DataError(message(f"{path}:1", "not the first line of a trace log", "give another file")) from error
    if header.trace_log != FORMAT:
        problem = f"format {header.trace_log}, expected {FORMAT}"
        raise DataError(message(f"{path}:1", problem, "mine again, or use the version that wrote it"))
    return header


def read_traces(path: str | Path) -> Iterator[Trace]:
    """Yield the traces of a log one by one, each validated; a torn last line is passed over.

    Raises:
        DataError: a line is broken, with its number.
    """
    with _open_read(Path(path)) as file:
        for number, line in enumerate(file, 1):
            if number == 1 or not line.endswith(b"\n"):
                continue
            try:
                yield _TRACE.validate_json(line, strict=True)
            except ValidationError as error:
                first = error.errors(include_url=False)[0]
                place = ".".join(str(part) for part in first["loc"]) or "line"
                problem = f"not a trace ({place}: {first['msg']})"
                raise DataError(
                    message(f"{path}:{number}", problem, "delete the line to mine this query again")
                ) from error


def _line(record: Any) -> bytes:
    """One JSON line. Lone surrogates, which models can produce, become question marks: UTF-8 has no code for them."""
    try:
        text = json.dumps(dataclasses.asdict(record), ensure_ascii=False, allow_nan=False)
    except ValueError as error:
        where = f"trace {getattr(record, 'query_id', '')!r}"
        raise DataError(message(where, f"holds a number that is not finite ({error})", "check the encoder")) from error
    return text.encode("utf-8", "replace") + b"\n"


def _cut_torn_line(file: BinaryIO, path: Path) -> None:
    """Cut off what follows the last line break."""
    size = file.seek(0, os.SEEK_END)
    end, block = size, 1 << 16
    while end > 0:
        start = max(0, end - block)
        file.seek(start)
        found = file.read(end - start).rfind(b"\n")
        if found >= 0:
            end = start + found + 1
            break
        end = start
    if end < size:
        logger.warning(
            "%s: the last line was torn (%d bytes); cut off, its query will be mined again", path, size - end
        )
        os.ftruncate(file.fileno(), end)
        os.fsync(file.fileno())


def _check_header(found: LogHeader, expected: LogHeader, path: Path) -> None:
    if found.retriever != expected.retriever:
        raise _mixed(str(path), expected.retriever, found.retriever)
    if found.settings != expected.settings:
        problem = f"made with settings {found.settings}, this run has {expected.settings}"
        raise FingerprintError(message(str(path), problem, "use the old settings, or another run folder"))


def _mixed(where: str, found: str, expected: str) -> FingerprintError:
    problem = f"retriever {found}, but the log was made with {expected}"
    return FingerprintError(message(where, problem, "use that retriever, or mine into another run folder"))


def _open_read(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise RunFolderError(message(str(path), f"cannot be read ({error.strerror})", "check the path")) from error
