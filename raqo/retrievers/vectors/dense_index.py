"""Inner-product search over vectors that lie in a memory-mapped file: exact, or among candidates."""

from __future__ import annotations

import functools
import hashlib
import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from raqo.errors import DataError, message
from raqo.protocols import FloatArray
from raqo.records import Hit
from raqo.retrievers.index_folder import IndexIdentity, Manifest, damaged, read_manifest
from raqo.retrievers.vectors.faiss_loading import load_faiss

EMBEDDINGS = "embeddings.npy"
CHUNK = 256
BLOCK = 2048
MARGIN = 16
TOLERANCE = 1e-5
"""More than float32 sums of unit vectors differ between two kernels; those of longer ones differ by more."""

IntArray = npt.NDArray[np.int64]


class Finder(Protocol):
    """Finds, without promise, the documents that are worth scoring."""

    def find(self, vectors: FloatArray, k: int) -> Iterable[npt.NDArray[np.integer]]:
        """Positions of candidates for the best k of each vector of (n, d): ascending, each once, possibly few."""
        ...


class DenseIndex:
    """Vectors of a gallery, in the order of the document ids; of unit length where scores are to be cosines.

    faiss finds the candidates, on the GPU where faiss-gpu finds one. The scores themselves are computed here, one dot
    product at a time, because faiss sums in another order for another number of queries: a query's scores must not
    depend on which other queries it came with, and `search` and `scores` must agree to the bit.

    Args:
        manifest: of the index folder.
        embeddings: float32 of shape (n, d).
        identity: what the index is known as; by default what its manifest says.
        finder: gives the candidates instead of the exact search; there may be fewer hits than asked for then.
    """

    def __init__(
        self,
        manifest: Manifest,
        embeddings: FloatArray,
        *,
        identity: IndexIdentity | None = None,
        finder: Finder | None = None,
    ) -> None:
        self.manifest = manifest
        self.identity: IndexIdentity = identity or manifest.identity
        self.doc_ids = manifest.doc_ids
        self.skipped = manifest.skipped
        self.embeddings = embeddings
        self._positions = {doc_id: position for position, doc_id in enumerate(self.doc_ids)}
        self._finder = finder

    @classmethod
    def open(cls, folder: Path) -> DenseIndex:
        """Map an index folder into memory.

        Raises:
            DataError: there is no index, or it is damaged.
        """
        manifest = read_manifest(folder)
        try:
            embeddings = np.load(folder / EMBEDDINGS, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError) as error:
            raise damaged(folder, str(error)) from error
        if embeddings.ndim != 2 or embeddings.dtype != np.float32 or len(embeddings) != len(manifest.doc_ids):
            found = f"{embeddings.dtype} of shape {embeddings.shape}"
            raise damaged(folder, f"expected float32 of shape ({len(manifest.doc_ids)}, d), got {found}")
        return cls(manifest, embeddings)

    def search(self, vectors: FloatArray, k: int) -> Iterator[tuple[Hit, ...]]:
        """Yield the best k documents of each vector of (n, d), ties by document id; k is clipped to the gallery."""
        k = min(k, len(self.doc_ids))
        for start in range(0, len(vectors), CHUNK):
            chunk = np.ascontiguousarray(vectors[start : start + CHUNK], dtype=np.float32)
            for positions, scores in self._near(chunk, k, self._finder) if self._finder else self._exact(chunk, k):
                ids = [self.doc_ids[position] for position in positions.tolist()]
                yield tuple(map(Hit, ids, scores.tolist()))

    def scores(self, vectors: FloatArray, doc_ids: Sequence[str]) -> FloatArray:
        """Score vector i of (n, d) with document i: shape (n,).

        Raises:
            DataError: a document is not in the gallery.
        """
        positions = np.array([self._position(doc_id) for doc_id in doc_ids], dtype=np.int64)
        return _dot(self.embeddings[positions], vectors)

    def _exact(self, vectors: FloatArray, k: int) -> Iterator[tuple[IntArray, FloatArray]]:
        """Best k of each vector; where documents beyond the margin could tie with the last, all are scored."""
        depth = min(k + MARGIN, len(self.doc_ids))
        candidates = np.sort(self._candidates(vectors, depth), axis=1)
        scores = _dot(self.embeddings[candidates], vectors[:, None])
        order = np.argsort(-scores, axis=1, kind="stable")
        everything = np.arange(len(self.doc_ids))
        tolerances = TOLERANCE * self._longest * np.linalg.norm(vectors, axis=1)
        for row, best in enumerate(order):
            positions, row_scores = candidates[row], scores[row]
            if depth < len(everything) and row_scores[best[-1]] > row_scores[best[k - 1]] - tolerances[row]:
                positions, row_scores = everything, _dot(self.embeddings, vectors[row])
                best = np.argsort(-row_scores, kind="stable")
            yield positions[best[:k]], row_scores[best[:k]]

    def _near(self, vectors: FloatArray, k: int, finder: Finder) -> Iterator[tuple[npt.NDArray[Any], FloatArray]]:
        """Best k among the candidates of each vector."""
        for vector, positions in zip(vectors, finder.find(vectors, k), strict=True):
            scores = self._scores_at(positions, vector)
            if len(scores) > k:
                kept = np.flatnonzero(scores >= np.partition(scores, -k)[-k])
                positions, scores = positions[kept], scores[kept]
            best = np.argsort(-scores, kind="stable")[:k]
            yield positions[best], scores[best]

    def _scores_at(self, positions: npt.NDArray[Any], vector: FloatArray) -> FloatArray:
        """Scores of the documents at some positions; gathered in blocks that stay in the processor's cache."""
        if len(positions) == len(self.doc_ids):
            return _dot(self.embeddings, vector)
        starts = range(0, len(positions) or 1, BLOCK)
        return np.concatenate([_dot(self.embeddings[positions[at : at + BLOCK]], vector) for at in starts])

    def _candidates(self, vectors: FloatArray, depth: int) -> IntArray:
        faiss = load_faiss()
        if self._gpu_index is not None:
            _, found = self._gpu_index.search(vectors, depth)
        else:  # straight over the mapped file: an IndexFlatIP would copy it into memory
            _, found = faiss.knn(vectors, self.embeddings, depth, metric=faiss.METRIC_INNER_PRODUCT)
        return np.asarray(found, dtype=np.int64)

    @functools.cached_property
    def _longest(self) -> float:
        """Length of the longest vector, found in one pass over the file."""
        blocks = (self.embeddings[at : at + BLOCK] for at in range(0, len(self.embeddings), BLOCK))
        return math.sqrt(max(float(np.vecdot(block, block).max()) for block in blocks))

    @functools.cached_property
    def _gpu_index(self) -> Any:
        return _gpu_index(self.embeddings)

    def _position(self, doc_id: str) -> int:
        if doc_id in self._positions:
            return self._positions[doc_id]
        why = next((f" (left out: {reason})" for skipped, reason in self.skipped if skipped == doc_id), "")
        fix = "ask for documents of the gallery only"
        raise DataError(message(f"document {doc_id!r}", f"not among the {len(self.doc_ids)} of the gallery{why}", fix))


def asked_as(fingerprint: str, how: str) -> str:
    """Fingerprint of an index whose queries are put in an own way; an empty text stands for the plain one."""
    return hashlib.sha256(f"{fingerprint} {how}".encode()).hexdigest()[:16] if how else fingerprint


def _dot(documents: FloatArray, vectors: FloatArray) -> FloatArray:
    scores: FloatArray = np.vecdot(documents, vectors)
    return scores


def _gpu_index(embeddings: FloatArray) -> Any:
    """An exact faiss index on all GPUs, or None without faiss-gpu."""
    faiss = load_faiss()

    if not getattr(faiss, "get_num_gpus", int)():
        return None
    index = faiss.index_cpu_to_all_gpus(faiss.IndexFlatIP(embeddings.shape[1]))
    index.add(np.ascontiguousarray(embeddings))
    return index
