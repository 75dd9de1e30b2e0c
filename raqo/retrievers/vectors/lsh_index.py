"""The hash tables of QueryFormer's Algorithm 1, in memory-mapped files."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from raqo.protocols import FloatArray
from raqo.retrievers.index_settings import LshSettings
from raqo.retrievers.vectors.lsh import Keys, bits_of, draw_hyperplanes, keys_of, probed_keys, project
from raqo.retrievers.vectors.lsh_tuning import tune

logger = logging.getLogger(__name__)

AT_ONCE = 8192
FILES = ("planes.npy", "keys.npy", "order.npy")

Positions = npt.NDArray[np.integer]


class LshTables:
    """L tables of buckets: for each table the sorted keys, and the documents in the order of their keys.

    The paper's buckets hold the vectors themselves; these hold positions in the gallery.
    """

    def __init__(self, planes: FloatArray, keys: Keys, order: Positions, *, settings: LshSettings) -> None:
        self._planes, self._keys, self._order = planes, keys, order
        self._probes = min(settings.probes, planes.shape[1])
        self._scan_when_short = settings.scan_when_short

    @classmethod
    def build(cls, embeddings: FloatArray, settings: LshSettings) -> LshTables:
        """Hash unit vectors (n, d), with L and k tuned first where `target_recall` is set."""
        tables, width = settings.tables, settings.hyperplanes
        if settings.target_recall is not None:
            tuning = tune(embeddings, settings, target=settings.target_recall)
            logger.info("hash tables tuned: %s", tuning)
            tables, width = tuning.tables, tuning.hyperplanes
        planes = draw_hyperplanes(tables, width, embeddings.shape[1], seed=settings.seed)
        keys = np.empty((tables, len(embeddings)), dtype=np.min_scalar_type(2**width - 1))
        for start in range(0, len(embeddings), AT_ONCE):
            rows = slice(start, start + AT_ONCE)
            keys[:, rows] = keys_of(bits_of(project(embeddings[rows], planes))).T
        order = np.empty(keys.shape, dtype=np.int32)
        for table, row in enumerate(keys):
            order[table] = np.argsort(row, kind="stable")
            keys[table] = row[order[table]]
        return cls(planes, keys, order, settings=settings)

    def save(self, folder: Path) -> None:
        """Write the index's files."""
        arrays: tuple[npt.NDArray[Any], ...] = (self._planes, self._keys, self._order)
        for name, values in zip(FILES, arrays, strict=True):
            np.save(folder / name, values, allow_pickle=False)

    @classmethod
    def open(cls, folder: Path, settings: LshSettings) -> LshTables:
        """Map what `save` wrote into memory."""
        planes, keys, order = (np.load(folder / name, mmap_mode="r", allow_pickle=False) for name in FILES)
        return cls(planes, keys, order, settings=settings)

    @property
    def size(self) -> int:
        """Number of documents."""
        return int(self._order.shape[1])

    @property
    def shape(self) -> tuple[int, int]:
        """L and k."""
        return self._planes.shape[0], self._planes.shape[1]

    def find(self, vectors: FloatArray, k: int) -> Iterator[Positions]:
        """Yield the union of the buckets of each vector of (n, d): positions, ascending, each once.

        There may be none. With `scan_when_short`, a union of fewer than k is replaced by the whole gallery.
        """
        keys = probed_keys(project(vectors, self._planes), self._probes).astype(self._keys.dtype)
        tables = range(len(self._keys))
        starts = np.stack([np.searchsorted(self._keys[at], keys[:, at], side="left") for at in tables], axis=1)
        stops = np.stack([np.searchsorted(self._keys[at], keys[:, at], side="right") for at in tables], axis=1)
        offsets = self.size * np.arange(len(self._keys))[:, None]
        flat = self._order.reshape(-1)
        for first, last in zip(starts + offsets, stops + offsets, strict=True):
            found = np.unique(flat[_ranges(first.ravel(), last.ravel())])
            short = self._scan_when_short and len(found) < min(k, self.size)
            yield np.arange(self.size) if short else found


def _ranges(starts: Positions, stops: Positions) -> Positions:
    """All whole numbers of the half-open ranges, one range after another."""
    lengths = stops - starts
    ends = np.cumsum(lengths)
    return np.arange(lengths.sum()) + np.repeat(stops - ends, lengths)
