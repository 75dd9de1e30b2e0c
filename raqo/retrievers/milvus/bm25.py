"""Texts in Milvus searched by their words."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

import numpy as np

from raqo.errors import DataError, message
from raqo.protocols import FloatArray
from raqo.records import Document, Hit, Query, Ranking
from raqo.retrievers.gallery import Gallery, read_gallery
from raqo.retrievers.index_folder import IndexIdentity
from raqo.retrievers.milvus.collection import MilvusCollection
from raqo.retrievers.milvus.layout import WordLayout
from raqo.retrievers.milvus.repeated_words import RepeatedWords, repeat
from raqo.retrievers.milvus.rows import MOST_BYTES, Row, key_of, require_distinct_keys
from raqo.retrievers.milvus.tied_hits import best_hits
from raqo.retrievers.milvus.vector_sources import asked_text, text_of
from raqo.retrievers.pairs import require_pairs
from raqo.retrievers.settings import RetrieverSettings
from raqo.retrievers.weighted_query import WeightedQuery
from raqo.retrievers.words import words

logger = logging.getLogger(__name__)

HITS_AT_ONCE = 50_000
"""Queries times hits of one request."""

PAIRS_AT_ONCE = 64


class MilvusBm25Retriever:
    """A `Retriever` over texts by Milvus' BM25. A document that shares no word with the query is no hit.

    Texts go through the same `words` as in `Bm25Retriever`, and scores are its scores times k1 + 1. That holds for a
    server as a whole; the embedded engine takes the statistics of each part of a gallery by itself, and writes a part
    for every 128 MB or so. A `WeightedQuery` is searched by its terms; Milvus takes no weights of words, so that these
    are rounded to hundredths of the largest one (`repeated_words`).
    """

    def __init__(
        self, collection: MilvusCollection, identity: IndexIdentity, size: int, settings: RetrieverSettings
    ) -> None:
        self._collection = collection
        self._identity = identity
        self._size = size
        self._settings = settings

    @classmethod
    def build(cls, settings: RetrieverSettings, documents: Sequence[Document]) -> MilvusBm25Retriever:
        """Write texts to Milvus, or use the collection of the same fingerprint that is there.

        Raises:
            ConfigError: nothing answers at the address.
            DataError: unusable documents, one without text or with more words than Milvus keeps, or no words at all.
            MissingExtraError: pymilvus or milvus-lite is not installed.
            RunFolderError: Milvus refused something.
        """
        gallery = read_gallery(documents)
        doc_ids = [document.doc_id for document in gallery.documents]
        require_distinct_keys(doc_ids)
        identity = IndexIdentity(model=_formula(settings), weights="", gallery=gallery.digest)
        layout = WordLayout(k1=settings.k1, b=settings.b)
        collection = MilvusCollection(settings.milvus, fingerprint=identity.fingerprint, layout=layout)
        if collection.is_whole(len(doc_ids)):
            logger.info("reusing %s with %d documents", collection.name, len(doc_ids))
        else:
            _check(gallery, settings)
            collection.fill(_rows(gallery, settings), len(doc_ids))
        return cls(collection, identity, len(doc_ids), settings)

    @property
    def fingerprint(self) -> str:
        """Hash of formula, parameters, tokenization, and ids and contents of the gallery."""
        return self._identity.fingerprint

    @property
    def size(self) -> int:
        """Number of documents in the gallery."""
        return self._size

    def close(self) -> None:
        """Disconnect; the embedded engine is shut down, for every user of its folder in this process."""
        self._collection.close()

    def search(self, queries: Sequence[Query], *, k: int) -> list[Ranking]:
        """Rank at most k documents of each query, ties by document id; no hits where no word of the query is known.

        Raises:
            DataError: a query has a picture and no text, or k is above Milvus' limit.
            RunFolderError: Milvus does not answer.
        """
        asked = [self._asked(query) for query in queries]
        found = iter(best_hits(self._hits, [one for one in asked if one.text], k=k, size=self._size))
        pairs = zip(queries, asked, strict=True)
        return [Ranking(query.query_id, next(found) if one.text else ()) for query, one in pairs]

    def similarity(self, queries: Sequence[Query], doc_ids: Sequence[str]) -> FloatArray:
        """BM25 score of query i and document i: shape (n,); 0 without a common word.

        Raises:
            DataError: a document is not in the gallery.
            RunFolderError: Milvus does not answer.
        """
        require_pairs(queries, doc_ids)
        self._collection.require(doc_ids)
        pairs = list(zip([self._asked(query) for query in queries], doc_ids, strict=True))
        scores = np.zeros(len(pairs), dtype=np.float32)
        rows = [row for row, (asked, _) in enumerate(pairs) if asked.text]
        for start in range(0, len(rows), PAIRS_AT_ONCE):
            part = rows[start : start + PAIRS_AT_ONCE]
            asked = list(dict.fromkeys(pairs[row][0] for row in part))
            keys = list(dict.fromkeys(key_of(pairs[row][1]) for row in part))
            hits = self._search(asked, limit=len(keys), keys=keys)
            found = dict(zip(asked, map(dict, hits), strict=True))
            scores[part] = [found[pairs[row][0]].get(pairs[row][1], 0.0) for row in part]
        return scores

    def fits(self, texts: Sequence[str]) -> list[bool]:
        """Every text can be read whole."""
        return [True] * len(texts)

    def _asked(self, query: Query) -> RepeatedWords:
        if not isinstance(query, WeightedQuery):
            return RepeatedWords(_words(asked_text(query), self._settings))
        return repeat([(_words(term, self._settings), weight) for term, weight in query.terms])

    def _hits(self, asked: Sequence[RepeatedWords], depth: int) -> Iterator[list[Hit]]:
        at_once = max(1, HITS_AT_ONCE // depth)
        for start in range(0, len(asked), at_once):
            for found in self._search(asked[start : start + at_once], limit=depth):
                yield [Hit(doc_id, score) for doc_id, score in found]

    def _search(
        self, asked: Sequence[RepeatedWords], *, limit: int, keys: Sequence[int] = ()
    ) -> Iterator[list[tuple[str, float]]]:
        found = self._collection.search([one.text for one in asked], limit=limit, keys=keys)
        for one, hits in zip(asked, found, strict=True):
            yield [(doc_id, one.unit * score) for doc_id, score in hits]


def _formula(settings: RetrieverSettings) -> str:
    stop = "lucene stop words" if settings.stop_words else "no stop words"
    stems = f" {settings.stemmer} stems" if settings.stemmer else ""
    return f"milvus bm25 k1={settings.k1:g} b={settings.b:g} {stop}{stems}"


def _check(gallery: Gallery, settings: RetrieverSettings) -> None:
    """Look at every text before the first is sent."""
    any_words = False
    for row in _rows(gallery, settings):
        size = len(str(row.content).encode())
        any_words = any_words or size > 0
        if size > MOST_BYTES:
            problem = f"its words take {size:,} bytes, Milvus keeps {MOST_BYTES:,} of a text"
            raise DataError(message(f"document {row.doc_id!r}", problem, "split it into passages"))
    if not any_words:
        fix = "give texts with words, or set retriever.stop_words: false"
        raise DataError(message("gallery", f"there is not one word in {len(gallery.documents)} documents", fix))


def _rows(gallery: Gallery, settings: RetrieverSettings) -> Iterator[Row]:
    for document in gallery.documents:
        yield Row(document.doc_id, _words(text_of(document), settings))


def _words(text: str, settings: RetrieverSettings) -> str:
    return " ".join(words(text, stop_words=settings.stop_words, stemmer=settings.stemmer))
