"""Exact inner-product search over unit vectors that lie in a memory-mapped file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from raqo.errors import DataError, message
from raqo.protocols import FloatArray
from raqo.records import Hit
from raqo.retrievers.index_folder import IndexIdentity, Manifest, damaged, read_manifest

EMBEDDINGS = "embeddings.npy"
CHUNK = 256
MARGIN = 16
TOLERANCE = 1e-5
"""More than float32 sums of unit vectors differ between two kernels."""

IntArray = npt.NDArray[np.int64]


class DenseIndex:
    """Unit vectors of a gallery, in the order of the document ids.

    faiss finds the candidates, on the GPU where faiss-gpu finds one. The scores themselves are computed here, one dot
    product at a time, because faiss sums in another order for another number of queries: a query's scores must not
    depend on which other queries it came with, and `search` and `scores` must agree to the bit.
    """

    def __init__(self, manifest: Manifest, embeddings: FloatArray) -> None:
        self.identity: IndexIdentity = manifest.identity
        self.doc_ids = manifest.doc_ids
        self.skipped = manifest.skipped
        self.embeddings = embeddings
        self._positions = {doc_id: position for position, doc_id in enumerate(self.doc_ids)}
        self._gpu_index = _gpu_index(embeddings)

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
            for positions, scores in self._best(chunk, k):
                ids = [self.doc_ids[position] for position in positions.tolist()]
                yield tuple(Hit(doc_id, score) for doc_id, score in zip(ids, scores.tolist(), strict=True))

    def scores(self, vectors: FloatArray, doc_ids: Sequence[str]) -> FloatArray:
        """Score vector i of (n, d) with document i: shape (n,).

        Raises:
            DataError: a document is not in the gallery.
        """
        positions = np.array([self._position(doc_id) for doc_id in doc_ids], dtype=np.int64)
        return _dot(self.embeddings[positions], vectors)

    def _best(self, vectors: FloatArray, k: int) -> Iterator[tuple[IntArray, FloatArray]]:
        """Best k of each vector; where documents beyond the margin could tie with the last, all are scored."""
        depth = min(k + MARGIN, len(self.doc_ids))
        candidates = np.sort(self._candidates(vectors, depth), axis=1)
        scores = _dot(self.embeddings[candidates], vectors[:, None])
        order = np.argsort(-scores, axis=1, kind="stable")
        everything = np.arange(len(self.doc_ids))
        for row, best in enumerate(order):
            positions, row_scores = candidates[row], scores[row]
            if depth < len(everything) and row_scores[best[-1]] > row_scores[best[k - 1]] - TOLERANCE:
                positions, row_scores = everything, _dot(self.embeddings, vectors[row])
                best = np.argsort(-row_scores, kind="stable")
            yield positions[best[:k]], row_scores[best[:k]]

    def _candidates(self, vectors: FloatArray, depth: int) -> IntArray:
        import faiss

        if self._gpu_index is not None:
            _, found = self._gpu_index.search(vectors, depth)
        else:  # straight over the mapped file: an IndexFlatIP would copy it into memory
            _, found = faiss.knn(vectors, self.embeddings, depth, metric=faiss.METRIC_INNER_PRODUCT)
        return np.asarray(found, dtype=np.int64)

    def _position(self, doc_id: str) -> int:
        if doc_id in self._positions:
            return self._positions[doc_id]
        why = next((f" (left out: {reason})" for skipped, reason in self.skipped if skipped == doc_id), "")
        fix = "ask for documents of the gallery only"
        raise DataError(message(f"document {doc_id!r}", f"not among the {len(self.doc_ids)} of the gallery{why}", fix))


def _dot(documents: FloatArray, vectors: FloatArray) -> FloatArray:
    scores: FloatArray = np.vecdot(documents, vectors)
    return scores


def _gpu_index(embeddings: FloatArray) -> Any:
    """An exact faiss index on all GPUs, or None without faiss-gpu."""
    import faiss

    if not getattr(faiss, "get_num_gpus", int)():
        return None
    index = faiss.index_cpu_to_all_gpus(faiss.IndexFlatIP(embeddings.shape[1]))
    index.add(np.ascontiguousarray(embeddings))
    return index
