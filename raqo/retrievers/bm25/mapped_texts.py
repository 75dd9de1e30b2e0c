"""Texts by their ids, on disk and memory-mapped: millions of them cost next to nothing to open, each is one slice."""

from __future__ import annotations

import json
import mmap
import tempfile
import zlib
from array import array
from collections.abc import Iterator, Mapping, Sequence, ValuesView
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from raqo.errors import DataError
from raqo.files import put_in_place
from raqo.retrievers.bm25.mapped_ids import MappedIds, position_of
from raqo.retrievers.index_folder import damaged, writing

FORMAT = 1
LETTERS = "texts.letters.bin"
SPANS = "texts.spans.npy"
RECORD = "texts.json"
BUFFER = 1 << 20


def texts_folder(gallery: str, index_dir: Path) -> Path:
    """Where the texts of a gallery lie, beside its indexes; their parameters do not matter."""
    return index_dir / f"texts-{gallery[:16]}"


class TextWriter:
    """Takes texts one after another. Memory holds twelve bytes of each, and a buffer."""

    def __init__(self, folder: Path) -> None:
        """Collect into a folder that is the caller's to delete.

        Raises:
            OSError: it cannot be written.
        """
        self._path = folder / LETTERS
        self._file = open(self._path, "wb", buffering=0)  # noqa: SIM115 - lives as long as the writer
        self._ends = array("q", [0])
        self._checks = array("I")
        self._buffer = bytearray()

    def add(self, doc_id: str, text: str) -> None:
        """Take the next text.

        Raises:
            RunFolderError: it cannot be written.
        """
        encoded = _utf8(text)
        self._buffer += encoded
        self._ends.append(self._ends[-1] + len(encoded))
        self._checks.append(_check(doc_id, encoded))
        if len(self._buffer) >= BUFFER:
            self._spill()

    def save(self, folder: Path, ids: Sequence[str], order: Sequence[int]) -> None:
        """Put the texts in place, whole or not at all.

        Args:
            folder: where they shall be; what is there is replaced.
            ids: of all texts, sorted.
            order: for each of these, the place at which its text came.

        Raises:
            RunFolderError: the disk is full, read-only or otherwise unwilling.
        """
        self._spill()
        self._file.close()
        ends = np.frombuffer(self._ends, dtype=np.int64)
        checks = np.frombuffer(self._checks, dtype=np.uint32)
        spans = np.stack([ends[:-1], ends[1:], checks], axis=1)[np.asarray(order)]
        record = {"format": FORMAT, "count": len(ids), "bytes": int(ends[-1])}
        with writing(folder), tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as temporary:
            new = Path(temporary, "new")
            new.mkdir()
            self._path.replace(new / LETTERS)
            np.save(new / SPANS, spans)
            MappedIds.save(new, ids)
            (new / RECORD).write_text(json.dumps(record), encoding="utf-8")
            put_in_place(new, folder)

    def close(self) -> None:
        """Let go of the file, whether or not the texts were saved."""
        self._file.close()

    def _spill(self) -> None:
        with writing(self._path):
            rest = memoryview(self._buffer)
            while rest:
                rest = rest[self._file.write(rest) :]
        self._buffer = bytearray()


class MappedTexts(Mapping[str, str]):
    """The texts that `TextWriter.save` put in place, in the order of their ids.

    Sizes are compared when the folder is opened; a text is compared with its checksum when it is read, so that opening
    takes the same time for any number of texts.

    Attributes:
        folder: where they lie; it is named by their gallery.
        ids: in order.
    """

    def __init__(self, folder: Path) -> None:
        """Map the files.

        Raises:
            DataError: there are no texts, or a file is missing or has another size than was written.
        """
        self.folder = folder
        try:
            record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
            self.ids: Sequence[str] = MappedIds(folder)
            self._spans: npt.NDArray[Any] = np.load(folder / SPANS, mmap_mode="r")
            with open(folder / LETTERS, "rb") as file:
                self._letters = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            expected = (FORMAT, record["count"], record["bytes"], record["count"])
            found = (record["format"], len(self.ids), len(self._letters), len(self._spans))
            if found != expected:
                raise ValueError(f"format, ids, bytes and texts are {found} instead of {expected}")
        except FileNotFoundError as error:
            raise damaged(folder, f"there is no {Path(error.filename or '').name}") from error
        except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
            raise damaged(folder, str(error)) from error

    def __getitem__(self, doc_id: str) -> str:
        position = self._position(doc_id)
        if position is None:
            raise KeyError(doc_id)
        return self.at(position)

    def __contains__(self, doc_id: object) -> bool:
        return isinstance(doc_id, str) and self._position(doc_id) is not None

    def __len__(self) -> int:
        return len(self.ids)

    def __iter__(self) -> Iterator[str]:
        return iter(self.ids)

    def values(self) -> ValuesView[str]:
        """All texts in the order of their ids, read one by one."""
        return _Values(self)

    def at(self, position: int) -> str:
        """The text of the id at a position.

        Raises:
            DataError: it is not what was written.
        """
        begin, end, check = self._spans[position].tolist()
        encoded = self._letters[begin:end]
        try:
            if check == _check(self.ids[position], encoded):
                return str(encoded, "utf-8", "surrogatepass")
        except UnicodeDecodeError:
            pass  # of the id; said below
        raise self._changed(f"text {position} was changed")

    def _position(self, doc_id: str) -> int | None:
        try:
            return position_of(doc_id, self.ids)
        except UnicodeDecodeError as error:
            raise self._changed("an id was changed") from error

    def _changed(self, problem: str) -> DataError:
        return damaged(self.folder, problem)


class _Values(ValuesView[str]):
    """Without a search for each id."""

    _mapping: MappedTexts

    def __iter__(self) -> Iterator[str]:
        return map(self._mapping.at, range(len(self._mapping)))


def _check(doc_id: str, encoded: bytes) -> int:
    """Checksum of a text that is told from the same text under another id."""
    return zlib.crc32(encoded, zlib.crc32(_utf8(doc_id)))


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
