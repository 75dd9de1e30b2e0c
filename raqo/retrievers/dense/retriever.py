"""Texts searched by vectors: of a sentence encoder, or of a dual encoder that reads pictures with the questions."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from tqdm import tqdm

from raqo.errors import DataError, message
from raqo.protocols import FloatArray, TextEncoder
from raqo.records import Document, Query, Ranking
from raqo.retrievers.gallery import Gallery, read_gallery
from raqo.retrievers.index_folder import IndexIdentity, is_valid, require_same, write_index
from raqo.retrievers.settings import RetrieverSettings
from raqo.retrievers.vectors.dense_index import EMBEDDINGS, DenseIndex, asked_as
from raqo.retrievers.vectors.finders import with_finder
from raqo.retrievers.vectors.queries import rankings, similarities

logger = logging.getLogger(__name__)

EMBEDDED_AT_ONCE = 1024


class TextReader(TextEncoder, Protocol):
    """A `TextEncoder` that knows what it can read."""

    @property
    def context_length(self) -> int | None:
        """The most tokens of a text that the encoder reads; None where there is no limit."""
        ...

    def token_counts(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text before any truncation."""
        ...


@runtime_checkable
class QuestionReader(Protocol):
    """What an encoder is beside a `TextReader` if it reads queries otherwise than documents, and pictures with them."""

    def encode_queries(self, queries: Sequence[Query]) -> FloatArray:
        """Encode queries to float32 of shape (n, d); of unit length only if the encoder's texts are."""
        ...


class DenseRetriever:
    """A `Retriever` over texts by inner product: exact, or among the candidates of `RetrieverSettings.index`.

    That is the cosine where the encoder gives unit vectors. Queries may hold pictures if it is a `QuestionReader`.

    The encoder may give a text a vector that differs in the last digits when it comes with other texts.
    """

    def __init__(self, encoder: TextReader, index: DenseIndex, *, query_prefix: str = "") -> None:
        self._encoder = encoder
        self._index = index
        self._prefix = query_prefix

    @classmethod
    def build(
        cls, settings: RetrieverSettings, encoder: TextReader, documents: Sequence[Document], *, index_dir: Path
    ) -> DenseRetriever:
        """Embed texts straight into a file of `index_dir`, or reuse what is there; then build the finder, if any.

        Another `index` over the same texts finds their vectors there and embeds nothing.

        Raises:
            ConfigError: the index's settings do not suit the gallery.
            DataError: unusable documents, or one without text.
            RunFolderError: the index cannot be written.
        """
        gallery = read_gallery(documents)
        texts = [settings.document_prefix + _text(document) for document in gallery.documents]
        identity = IndexIdentity(model=_model(settings, encoder), weights="", gallery=gallery.digest)
        folder = index_dir / f"dense-{identity.fingerprint}"
        if is_valid(folder, identity):
            logger.info("reusing the vectors of %d documents in %s", len(texts), folder)
        else:
            doc_ids = [document.doc_id for document in gallery.documents]
            write_index(folder, identity, doc_ids=doc_ids, save=lambda new: _embed(encoder, texts, gallery, new))
        return cls.open(settings, encoder, folder)

    @classmethod
    def open(
        cls,
        settings: RetrieverSettings,
        encoder: TextReader,
        folder: Path,
        documents: Sequence[Document] | None = None,
    ) -> DenseRetriever:
        """Open vectors that were made before, memory-mapped, with the finder beside their folder.

        Raises:
            FingerprintError: they were made with another model or prefix, or from other documents than those given.
            DataError: there are none, or they are damaged.
        """
        index = DenseIndex.open(folder)
        expected = {"model": _model(settings, encoder)}
        if documents is not None:
            expected["gallery"] = read_gallery(documents).digest
        require_same(folder, index.identity, expected)
        index = with_finder(index, settings.finder, index_dir=folder.parent)
        return cls(encoder, index, query_prefix=settings.query_prefix)

    @property
    def fingerprint(self) -> str:
        """Hash of model, weights, prefixes, finder, and ids and contents of the gallery."""
        return asked_as(self._index.identity.fingerprint, self._prefix and f"prefix={self._prefix!r}")

    @property
    def size(self) -> int:
        """Number of documents in the gallery."""
        return len(self._index.doc_ids)

    def search(self, queries: Sequence[Query], *, k: int) -> list[Ranking]:
        """Rank the best k documents of each query by inner product, ties by id; a finder may leave rankings short.

        Raises:
            DataError: a query has a picture and no text, or one that the encoder cannot read.
        """
        return rankings(self._index, self._encode, queries, k=k)

    def similarity(self, queries: Sequence[Query], doc_ids: Sequence[str]) -> FloatArray:
        """Inner product of query i and document i, exact whatever the index: shape (n,).

        Raises:
            DataError: a document is not in the gallery.
        """
        return similarities(self._index, self._encode, queries, doc_ids)

    def fits(self, texts: Sequence[str]) -> list[bool]:
        """Whether the encoder reads each text whole, with the prefix of queries."""
        limit = self._encoder.context_length
        counts = self._encoder.token_counts([self._prefix + text for text in texts])
        return [limit is None or count <= limit for count in counts]

    def _encode(self, queries: Sequence[Query]) -> FloatArray:
        if isinstance(self._encoder, QuestionReader):
            return self._encoder.encode_queries([replace(one, text=self._prefix + one.text) for one in queries])
        for query in queries:
            if query.image is not None and not query.text:
                problem = "dense searches texts by a text, got a picture"
                fix = "give a text, or use retriever.kind: clip"
                raise DataError(message(f"query {query.query_id!r}", problem, fix))
        return self._encoder.encode_texts([self._prefix + query.text for query in queries])


def _embed(encoder: TextReader, texts: Sequence[str], gallery: Gallery, folder: Path) -> None:
    """Write the vectors part by part; each distinct text is embedded once, so that copies tie exactly."""
    first: dict[str, int] = {}
    source = np.array([first.setdefault(digest, row) for row, digest in enumerate(gallery.hashes)])
    rows = np.fromiter(first.values(), dtype=np.int64)
    shape = (len(texts), encoder.encode_texts([]).shape[1])
    vectors = np.lib.format.open_memmap(folder / EMBEDDINGS, mode="w+", dtype=np.float32, shape=shape)
    with tqdm(total=len(rows), desc="embedding the gallery", unit="doc", disable=None) as bar:
        for start in range(0, len(rows), EMBEDDED_AT_ONCE):
            part = rows[start : start + EMBEDDED_AT_ONCE]
            vectors[part] = encoder.encode_texts([texts[row] for row in part])
            bar.update(len(part))
    copies = np.flatnonzero(source != np.arange(len(texts)))
    vectors[copies] = vectors[source[copies]]
    vectors.flush()


def _model(settings: RetrieverSettings, encoder: TextReader) -> str:
    prefix = f" prefix={settings.document_prefix!r}" if settings.document_prefix else ""
    return f"dense {encoder.fingerprint}{prefix}"


def _text(document: Document) -> str:
    if document.text is None:
        problem = "dense searches texts, got a picture"
        raise DataError(message(f"document {document.doc_id!r}", problem, "give texts, or use retriever.kind: clip"))
    return document.text
