"""The inverted index of BM25, built in one pass over a stream with bounded memory.

Documents are collected until a block is full; the block is sorted and put on disk as a run. At the end the runs are
merged, a range of words at a time, into the arrays of bm25s: for each word the documents that hold it, in order, and
the part of the score that it gives to each (Lucene's form, Kamphuis et al. 2020): idf * tf / (tf + k1 * (1 - b + b *
length / mean length)), idf = ln(1 + (N - df + 0.5) / (df + 0.5)).
"""

from __future__ import annotations

import json
import math
from array import array
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from raqo.retrievers.index_folder import writing

Array = npt.NDArray[Any]

BLOCK = 1 << 23
"""Words collected before they go to disk, and postings merged at once: some 400 MB of memory."""

VOCABULARY = "vocab.index.json"
SHARDS = "shards.json"
DATA, INDICES, INDPTR = "data.csc.index.npy", "indices.csc.index.npy", "indptr.csc.index.npy"
_LOW = (1 << 32) - 1


class _Numbered(dict[str, int]):
    """Numbers new words in the order in which they are asked for."""

    def __missing__(self, word: str) -> int:
        number = self[word] = len(self)
        return number


class Postings:
    """Documents given as words, one after another. Memory holds the vocabulary, the lengths and one block."""

    def __init__(self, folder: Path, *, block: int = BLOCK) -> None:
        """Collect into `folder`, which is the caller's to delete."""
        self._folder = folder
        self._limit = block
        self._numbers = _Numbered()
        self._lengths = array("i")
        self._block = array("i")
        self._on_disk = 0
        self._runs: list[tuple[Array, Array]] = []

    def __len__(self) -> int:
        return len(self._lengths)

    @property
    def vocabulary(self) -> dict[str, int]:
        """Word -> number."""
        return self._numbers

    def add(self, words: list[str]) -> None:
        """Take the next document.

        Raises:
            RunFolderError: the block cannot be written.
        """
        self._block.extend(map(self._numbers.__getitem__, words))
        self._lengths.append(len(words))
        if len(self._block) >= self._limit:
            self._spill()

    def save(self, folder: Path, positions: Array, *, k1: float, b: float, shards: int = 1) -> None:
        """Write the index in the format of bm25s. Every shard has its own arrays, made with the statistics of all.

        Args:
            folder: where the files go.
            positions: the place of each document in the index, shape (documents,).
            k1: saturation of term frequency.
            b: length normalisation.
            shards: parts of about equal size, each a range of places.

        Raises:
            OSError: a file cannot be written.
        """
        self._spill()
        count = len(self)
        lengths = np.frombuffer(self._lengths, dtype=np.int32)
        norms = np.empty(count)
        norms[positions] = k1 * ((1 - b) + b * lengths / lengths.mean())
        bounds = np.linspace(0, count, min(shards, count) + 1).astype(np.int64)
        frequencies = self._frequencies(positions, bounds)
        totals = frequencies.sum(axis=0)
        idf_of = {df: math.log(1 + (count - df + 0.5) / (df + 0.5)) for df in np.unique(totals).tolist()}
        idf = np.array([idf_of[df] for df in totals.tolist()], dtype=np.float32)
        with ExitStack() as stack:
            files = [_open(stack, folder, shard, int(of_shard.sum())) for shard, of_shard in enumerate(frequencies)]
            for numbers, places, counts in self._merged(totals, positions):
                parts = (idf[numbers] * (counts / (norms[places] + counts))).astype(np.float32)
                for first, end, (data, indices) in zip(bounds, bounds[1:], files, strict=False):
                    inside = (first <= places) & (places < end)
                    parts[inside].tofile(data)
                    (places[inside] - first).astype(np.int32).tofile(indices)
        for shard, of_shard in enumerate(frequencies):
            np.save(folder / shard_file(INDPTR, shard), np.concatenate(([0], np.cumsum(of_shard))))
        settings = {"k1": k1, "b": b, "delta": 0.5, "method": "lucene", "idf_method": "lucene"}
        types = {"dtype": "float32", "int_dtype": "int32", "num_docs": count, "backend": "numba"}
        _write_json(folder / "params.index.json", settings | types)
        _write_json(folder / SHARDS, bounds.tolist())
        _write_json(folder / VOCABULARY, self.vocabulary)

    def _frequencies(self, positions: Array, bounds: Array) -> Array:
        """Documents of each shard that hold each word: shape (shards, words)."""
        shards, size = len(bounds) - 1, len(self.vocabulary)
        found = np.zeros(shards * size, dtype=np.int64)
        for keys, _ in self._runs:
            owners = np.searchsorted(bounds, positions[keys & _LOW], side="right") - 1
            found += np.bincount(owners * size + (keys >> 32), minlength=len(found))
        return found.reshape(shards, size)

    def _spill(self) -> None:
        """Sort the block by word and document, count equal pairs, and put both on disk."""
        if not self._block:
            return
        numbers = np.frombuffer(self._block, dtype=np.int32).astype(np.int64)
        lengths = np.frombuffer(self._lengths[self._on_disk :], dtype=np.int32)
        documents = np.repeat(np.arange(self._on_disk, len(self)), lengths)
        run = np.unique(numbers << 32 | documents, return_counts=True)
        paths = [self._folder / f"{len(self._runs)}.{name}.npy" for name in ("keys", "counts")]
        with writing(self._folder):
            np.save(paths[0], run[0])
            np.save(paths[1], run[1].astype(np.int32))
        self._runs.append((np.load(paths[0], mmap_mode="r"), np.load(paths[1], mmap_mode="r")))
        self._block, self._on_disk = array("i"), len(self)

    def _merged(self, totals: Array, positions: Array) -> Iterator[tuple[Array, Array, Array]]:
        """Word numbers, places and counts of all postings, ordered by word and place, a block at a time."""
        ends = np.cumsum(totals)
        first = 0
        while first < len(ends):
            done = int(ends[first - 1]) if first else 0
            last = max(first + 1, int(np.searchsorted(ends, done + self._limit, side="right")))
            rows = [slice(*np.searchsorted(keys, (first << 32, last << 32))) for keys, _ in self._runs]
            keys = np.concatenate([run[0][of_run] for run, of_run in zip(self._runs, rows, strict=True)])
            counts = np.concatenate([run[1][of_run] for run, of_run in zip(self._runs, rows, strict=True)])
            keys = keys & ~_LOW | positions[keys & _LOW]
            order = np.argsort(keys)
            keys = keys[order]
            yield keys >> 32, keys & _LOW, counts[order]
            first = last


def shard_file(name: str, shard: int) -> str:
    """Name of a shard's file; the first has the name that bm25s gives it."""
    return f"{shard}.{name}" if shard else name


def _open(stack: ExitStack, folder: Path, shard: int, size: int) -> list[BinaryIO]:
    """Files of the two arrays of a shard, each with the header of an array of `size`."""
    paths = [folder / shard_file(name, shard) for name in (DATA, INDICES)]
    files = [stack.enter_context(open(path, "wb")) for path in paths]  # noqa: SIM115 - the stack closes them
    for file, kind in zip(files, ("<f4", "<i4"), strict=True):
        np.lib.format.write_array_header_1_0(file, {"descr": kind, "fortran_order": False, "shape": (size,)})
    return list(files)


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")
