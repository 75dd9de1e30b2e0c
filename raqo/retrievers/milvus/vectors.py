"""Texts or pictures in Milvus searched by vectors."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np

from raqo.protocols import FloatArray
from raqo.records import Document, Hit, Query, Ranking
from raqo.retrievers.gallery import Gallery, Skipped, read_gallery
from raqo.retrievers.index_folder import IndexIdentity
from raqo.retrievers.milvus.collection import MilvusCollection
from raqo.retrievers.milvus.layout import VectorLayout
from raqo.retrievers.milvus.rows import Row, require_distinct_keys
from raqo.retrievers.milvus.tied_hits import best_hits
from raqo.retrievers.milvus.vector_sources import VectorSource, text_of
from raqo.retrievers.pairs import require_pairs
from raqo.retrievers.settings import RetrieverSettings
from raqo.retrievers.vectors.dense_index import TOLERANCE, asked_as

logger = logging.getLogger(__name__)

EMBEDDED_AT_ONCE = 256

NUMBERS_AT_ONCE = 4_000_000
"""Components of the vectors that one request brings back."""


class MilvusVectorRetriever:
    """A `Retriever` by inner product with vectors that lie in Milvus.

    Milvus finds the candidates. They come with their vectors and are scored here, one dot product at a time, so that a
    query's scores do not depend on the queries it comes with, copies tie, and `search` and `similarity` agree.
    """

    def __init__(
        self,
        source: VectorSource,
        collection: MilvusCollection,
        identity: IndexIdentity,
        size: int,
        *,
        how: str = "",
        skipped: tuple[Skipped, ...] = (),
    ) -> None:
        self._source = source
        self._collection = collection
        self._identity = identity
        self._size = size
        self._how = how
        self._skipped = skipped

    @classmethod
    def build(
        cls,
        settings: RetrieverSettings,
        source: VectorSource,
        documents: Sequence[Document],
        *,
        skipped: tuple[Skipped, ...] = (),
    ) -> MilvusVectorRetriever:
        """Embed documents into Milvus, or use the collection of the same fingerprint that is there.

        Another breadth of search (`retriever.ivf.probes`, `retriever.hnsw.search_breadth`) uses the same collection.

        Args:
            settings: of the database, and of the index.
            source: what embeds documents and queries.
            documents: texts or pictures.
            skipped: documents that were left out before.

        Raises:
            ConfigError: nothing answers at the address, or the index does not suit the gallery.
            DataError: unusable documents, or one that the model cannot read.
            MissingExtraError: pymilvus or milvus-lite is not installed.
            RunFolderError: Milvus refused something.
        """
        gallery = read_gallery(documents)
        doc_ids = [document.doc_id for document in gallery.documents]
        require_distinct_keys(doc_ids)
        if settings.milvus.method == "dense":
            for document in gallery.documents:
                text_of(document)  # before the first is embedded
        method: Literal["dense", "clip"] = "clip" if settings.milvus.method == "clip" else "dense"
        dimension = source.queries([Query("", "a")]).shape[1]
        layout = VectorLayout(method=method, dimension=dimension, index=settings.finder, count=len(doc_ids))
        model = f"milvus {method} {source.model} {layout.build}"
        identity = IndexIdentity(model=model, weights="", gallery=gallery.digest)
        collection = MilvusCollection(settings.milvus, fingerprint=identity.fingerprint, layout=layout)
        if collection.is_whole(len(doc_ids)):
            logger.info("reusing %s with %d documents", collection.name, len(doc_ids))
        else:
            collection.fill(_rows(gallery, source), len(doc_ids))
        how = " ".join(filter(None, [source.asked_as, layout.breadth]))
        return cls(source, collection, identity, len(doc_ids), how=how, skipped=skipped)

    @property
    def fingerprint(self) -> str:
        """Hash of model, weights, how queries are put, index, and ids and contents of the gallery."""
        return asked_as(self._identity.fingerprint, self._how)

    @property
    def size(self) -> int:
        """Number of documents in the gallery."""
        return self._size

    @property
    def skipped(self) -> tuple[Skipped, ...]:
        """Documents left out of the gallery, each with the reason."""
        return self._skipped

    def close(self) -> None:
        """Disconnect; the embedded engine is shut down, for every user of its folder in this process."""
        self._collection.close()

    def search(self, queries: Sequence[Query], *, k: int) -> list[Ranking]:
        """Rank the best k documents of each query, ties by document id; ``ivf`` may leave rankings short.

        Raises:
            DataError: a query that the model cannot read, or k is above Milvus' limit.
            RunFolderError: Milvus does not answer.
        """
        if not queries or k < 1:
            return [Ranking(query.query_id, ()) for query in queries]
        vectors = list(self._source.queries(queries))
        found = best_hits(self._hits, vectors, k=k, size=self._size, tolerance=TOLERANCE)
        return [Ranking(query.query_id, hits) for query, hits in zip(queries, found, strict=True)]

    def similarity(self, queries: Sequence[Query], doc_ids: Sequence[str]) -> FloatArray:
        """Inner product of query i and document i, exact whatever the index: shape (n,).

        Raises:
            DataError: a document is not in the gallery.
            RunFolderError: Milvus does not answer.
        """
        require_pairs(queries, doc_ids)
        if not queries:
            return np.zeros(0, dtype=np.float32)
        asked = self._source.queries(queries)
        scores: FloatArray = np.vecdot(self._collection.vectors(doc_ids, asked.shape[1]), asked)
        return scores

    def fits(self, texts: Sequence[str]) -> list[bool]:
        """Whether the model reads each text whole."""
        return self._source.fits(texts)

    def _hits(self, asked: Sequence[FloatArray], depth: int) -> Iterator[list[Hit]]:
        at_once = max(1, NUMBERS_AT_ONCE // (depth * len(asked[0])))
        for start in range(0, len(asked), at_once):
            part = np.stack(asked[start : start + at_once])
            for vector, (ids, vectors) in zip(part, self._collection.search_vectors(part, limit=depth), strict=True):
                yield [Hit(*pair) for pair in zip(ids, np.vecdot(vectors, vector).tolist(), strict=True)]


def _rows(gallery: Gallery, source: VectorSource) -> Iterator[Row]:
    """Embed each distinct content once, so that copies tie exactly; copies lie side by side in the order of hashes."""
    keys = [content or f"unreadable {row}" for row, content in enumerate(gallery.hashes)]
    groups = itertools.groupby(sorted(range(len(keys)), key=keys.__getitem__), key=keys.__getitem__)
    contents = (list(copies) for _, copies in groups)
    while part := list(itertools.islice(contents, EMBEDDED_AT_ONCE)):
        vectors = source.documents([gallery.documents[copies[0]] for copies in part])
        for copies, vector in zip(part, vectors, strict=True):
            for row in copies:
                yield Row(gallery.documents[row].doc_id, vector)
