"""Document ids in order, on disk and memory-mapped: millions of them cost next to nothing to open."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from pathlib import Path
from typing import overload

import numpy as np

LETTERS = "ids.letters.npy"
ENDS = "ids.ends.npy"


class MappedIds(Sequence[str]):
    """The ids that `save` wrote; each is read when it is asked for."""

    def __init__(self, folder: Path) -> None:
        """Map the files.

        Raises:
            OSError: a file is missing.
            ValueError: a file is no array.
        """
        self._letters = memoryview(np.load(folder / LETTERS, mmap_mode="r"))
        self._ends = memoryview(np.load(folder / ENDS, mmap_mode="r"))

    @staticmethod
    def save(folder: Path, ids: Sequence[str]) -> None:
        """Write ids as one run of UTF-8 and the place where each begins, and the last ends."""
        encoded = [doc_id.encode("utf-8", "surrogatepass") for doc_id in ids]
        np.save(folder / ENDS, np.cumsum([0, *map(len, encoded)], dtype=np.int64))
        np.save(folder / LETTERS, np.frombuffer(b"".join(encoded), dtype=np.uint8))

    def __len__(self) -> int:
        return len(self._ends) - 1

    @overload
    def __getitem__(self, position: int) -> str: ...
    @overload
    def __getitem__(self, position: slice) -> Sequence[str]: ...
    def __getitem__(self, position: int | slice) -> str | Sequence[str]:
        if isinstance(position, slice):
            return [self[at] for at in range(*position.indices(len(self)))]
        if position < 0:
            raise IndexError(f"position {position}")
        return str(self._letters[self._ends[position] : self._ends[position + 1]], "utf-8", "surrogatepass")


def position_of(doc_id: str, ids: Sequence[str]) -> int | None:
    """Position of an id among sorted ids; None if it is not there."""
    at = bisect_left(ids, doc_id)
    return at if at < len(ids) and ids[at] == doc_id else None
