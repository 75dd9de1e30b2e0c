"""faiss's approximate indexes as finders of candidates; the exact scores are computed elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from raqo.errors import ConfigError, message
from raqo.protocols import FloatArray
from raqo.retrievers.index_settings import HammingSettings, HnswSettings, IvfSettings
from raqo.retrievers.vectors.faiss_loading import load_faiss

FILE = "index.faiss"
AT_ONCE = 65_536
MARGIN = 16
"""Candidates beyond the hits asked for, for documents that tie."""

POINTS_PER_LIST = 39
"""Vectors per list from which k-means has enough to learn from, by faiss's own rule."""

FaissSettings = IvfSettings | HnswSettings | HammingSettings


class FaissFinder:
    """The nearest of a gallery by a faiss index, as candidates.

    IVF and HNSW hold a copy of the vectors. HNSW graphs built by several threads may differ between two builds.
    """

    def __init__(self, index: Any, settings: FaissSettings) -> None:
        self._index = index
        self._least = 1
        match settings:
            case IvfSettings(probes=probes):
                index.nprobe = probes
            case HnswSettings(search_breadth=breadth):
                index.hnsw.efSearch = breadth
            case HammingSettings(refine=refine):
                self._least = refine

    @classmethod
    def build(cls, embeddings: FloatArray, settings: FaissSettings) -> FaissFinder:
        """Index unit vectors (n, d).

        Raises:
            ConfigError: more IVF lists than vectors.
        """
        index = _empty(settings, *embeddings.shape)
        if not index.is_trained:
            index.train(np.ascontiguousarray(embeddings))
        for start in range(0, len(embeddings), AT_ONCE):
            index.add(np.ascontiguousarray(embeddings[start : start + AT_ONCE]))
        return cls(index, settings)

    def save(self, folder: Path) -> None:
        """Write the index's file."""
        faiss = load_faiss()

        faiss.write_index(self._index, str(folder / FILE))

    @classmethod
    def open(cls, folder: Path, settings: FaissSettings) -> FaissFinder:
        """Map what `save` wrote into memory."""
        faiss = load_faiss()

        index = faiss.read_index(str(folder / FILE), faiss.IO_FLAG_MMAP_IFC | faiss.IO_FLAG_READ_ONLY)
        return cls(index, settings)

    @property
    def size(self) -> int:
        """Number of documents."""
        return int(self._index.ntotal)

    def find(self, vectors: FloatArray, k: int) -> Iterator[npt.NDArray[np.integer]]:
        """Yield the positions of somewhat more than k candidates of each vector of (n, d), ascending."""
        _, found = self._index.search(np.ascontiguousarray(vectors), min(max(k + MARGIN, self._least), self.size))
        return (np.sort(row[row >= 0]) for row in found)


def _empty(settings: FaissSettings, count: int, dimension: int) -> Any:
    faiss = load_faiss()

    match settings:
        case IvfSettings(lists=lists):
            centres = faiss.IndexFlatIP(dimension)
            index = faiss.IndexIVFFlat(centres, dimension, list_count(lists, count), faiss.METRIC_INNER_PRODUCT)
            index.cp.min_points_per_centroid = 1  # below this it prints a warning
            return index
        case HnswSettings(links=links, build_breadth=breadth):
            index = faiss.IndexHNSWFlat(dimension, links, faiss.METRIC_INNER_PRODUCT)
            index.hnsw.efConstruction = breadth
            return index
        case HammingSettings(bits=bits):
            return faiss.IndexLSH(dimension, bits, True, False)


def list_count(wanted: int | None, count: int) -> int:
    """IVF lists for a gallery of `count` vectors.

    Raises:
        ConfigError: more lists than vectors.
    """
    if wanted is None:
        return max(1, min(int(4 * count**0.5), count // POINTS_PER_LIST))
    if wanted > count:
        problem = f"expected at most one list per vector ({count}), got {wanted}"
        raise ConfigError(message("retriever.ivf.lists", problem, "give fewer, or null"))
    return wanted
