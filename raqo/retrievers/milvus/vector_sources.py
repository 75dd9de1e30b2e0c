"""Vectors of documents and queries, whichever model they come from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from raqo.errors import DataError, message
from raqo.protocols import Encoder, FloatArray
from raqo.records import Document, Query
from raqo.retrievers.clip.retriever import encode_items, encode_queries
from raqo.retrievers.dense.retriever import TextReader


class VectorSource(Protocol):
    """Embeds both sides of a search into one space."""

    @property
    def model(self) -> str:
        """Identifies model and weights, and how documents are put to it."""
        ...

    @property
    def asked_as(self) -> str:
        """How queries are put to it; empty for the plain way."""
        ...

    def documents(self, documents: Sequence[Document]) -> FloatArray:
        """Embed documents: (n, d), rows of unit length."""
        ...

    def queries(self, queries: Sequence[Query]) -> FloatArray:
        """Embed queries: (n, d)."""
        ...

    def fits(self, texts: Sequence[str]) -> list[bool]:
        """Whether each query text is read whole."""
        ...


class SentenceVectors:
    """A `VectorSource` of texts by a sentence encoder."""

    def __init__(self, encoder: TextReader, *, query_prefix: str = "", document_prefix: str = "") -> None:
        self._encoder = encoder
        self._query_prefix = query_prefix
        self._document_prefix = document_prefix

    @property
    def model(self) -> str:
        """Name, weights, and the prefix of documents."""
        prefix = f" prefix={self._document_prefix!r}" if self._document_prefix else ""
        return f"{self._encoder.fingerprint}{prefix}"

    @property
    def asked_as(self) -> str:
        """The prefix of queries."""
        return self._query_prefix and f"prefix={self._query_prefix!r}"

    def documents(self, documents: Sequence[Document]) -> FloatArray:
        """Embed texts: (n, d).

        Raises:
            DataError: a document has no text.
        """
        return self._encoder.encode_texts([self._document_prefix + text_of(document) for document in documents])

    def queries(self, queries: Sequence[Query]) -> FloatArray:
        """Embed texts: (n, d).

        Raises:
            DataError: a query has a picture and no text.
        """
        return self._encoder.encode_texts([self._query_prefix + asked_text(query) for query in queries])

    def fits(self, texts: Sequence[str]) -> list[bool]:
        """Whether the encoder reads each text whole, with the prefix of queries."""
        limit = self._encoder.context_length
        counts = self._encoder.token_counts([self._query_prefix + text for text in texts])
        return [limit is None or count <= limit for count in counts]


class ClipVectors:
    """A `VectorSource` of texts and pictures by a CLIP-like encoder."""

    def __init__(self, encoder: Encoder, *, image_weight: float = 1.0) -> None:
        self._encoder = encoder
        self._image_weight = image_weight

    @property
    def model(self) -> str:
        """Name and weights."""
        return self._encoder.fingerprint

    @property
    def asked_as(self) -> str:
        """The image weight."""
        return "" if self._image_weight == 1 else f"image_weight={self._image_weight}"

    def documents(self, documents: Sequence[Document]) -> FloatArray:
        """Embed documents by their picture where they have one: (n, d).

        Raises:
            DataError: a picture cannot be read.
        """
        return encode_items(self._encoder, [(document.text, document.image) for document in documents])

    def queries(self, queries: Sequence[Query]) -> FloatArray:
        """Embed texts and pictures: (n, d).

        Raises:
            DataError: a picture cannot be read.
        """
        return encode_queries(self._encoder, queries, image_weight=self._image_weight)

    def fits(self, texts: Sequence[str]) -> list[bool]:
        """Whether the encoder reads each text whole."""
        limit = self._encoder.context_length
        return [count <= limit for count in self._encoder.token_counts(texts)]


def text_of(document: Document) -> str:
    """The text of a document.

    Raises:
        DataError: it has none.
    """
    if document.text is None:
        fix = "give texts, or search by a CLIP model"
        raise DataError(message(f"document {document.doc_id!r}", "expected a text, got a picture", fix))
    return document.text


def asked_text(query: Query) -> str:
    """The text of a query.

    Raises:
        DataError: it has a picture and no text.
    """
    if query.image is not None and not query.text:
        fix = "give a text, or search by a CLIP model"
        raise DataError(message(f"query {query.query_id!r}", "expected a text, got a picture", fix))
    return query.text
