"""Texts searched by their words."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path

from raqo.errors import DataError, message
from raqo.protocols import FloatArray
from raqo.records import Document, Hit, Query, Ranking
from raqo.retrievers.bm25.build import document_words, folder_of, formula, index_texts, no_words, recall, remember
from raqo.retrievers.bm25.engines import Asked, Bm25Engine, Bm25s, RankBm25
from raqo.retrievers.bm25.mapped_ids import MappedIds, position_of
from raqo.retrievers.gallery import Gallery, read_gallery
from raqo.retrievers.index_folder import IndexIdentity, damaged, is_valid, read_manifest, require_same
from raqo.retrievers.pairs import require_pairs
from raqo.retrievers.settings import RetrieverSettings
from raqo.retrievers.weighted_query import WeightedQuery
from raqo.retrievers.words import words

logger = logging.getLogger(__name__)


class Bm25Retriever:
    """A `Retriever` over texts. A document that shares no word with the query is no hit, so rankings may be short.

    A `WeightedQuery` is searched by its weighted terms, any other query by the words of its text.
    """

    def __init__(
        self, settings: RetrieverSettings, engine: Bm25Engine, identity: IndexIdentity, doc_ids: Sequence[str]
    ) -> None:
        """Use an engine over documents in the order of their ids."""
        self._settings = settings
        self._engine = engine
        self._identity = identity
        self._doc_ids = doc_ids

    @classmethod
    def build(cls, settings: RetrieverSettings, documents: Sequence[Document], *, index_dir: Path) -> Bm25Retriever:
        """Index texts; bm25s keeps its index in a folder of `index_dir` named by the fingerprint and reuses it.

        Raises:
            DataError: unusable documents, a document without text, or no words at all.
            RunFolderError: the index cannot be written.
        """
        gallery = read_gallery(documents)
        identity = IndexIdentity(model=formula(settings), weights="", gallery=gallery.digest)
        if settings.engine == "rank_bm25":
            return cls._in_memory(settings, gallery, identity)
        folder = folder_of(settings, identity, index_dir)
        if is_valid(folder, identity):
            logger.info("reusing the index of %d documents in %s", len(gallery.documents), folder)
        else:
            index_texts(settings, gallery.documents, index_dir)
        return cls.open(settings, folder)

    @classmethod
    def build_stream(
        cls, settings: RetrieverSettings, documents: Iterable[Document], *, index_dir: Path, origin: str = ""
    ) -> Bm25Retriever:
        """Index a stream of texts in one pass, without holding them; the index is the one that `build` makes of them.

        Args:
            settings: as for `build`; rank_bm25 holds the texts all the same.
            documents: in any order.
            index_dir: holds one folder per fingerprint, and unsorted postings meanwhile.
            origin: where the stream comes from, and in which state (`file_origin`). What was built from the same origin
                before is opened, and the stream is not read.

        Raises:
            DataError: no documents, an id given twice, a document without text, or no words at all.
            RunFolderError: the index cannot be written.
        """
        if settings.engine == "rank_bm25":
            return cls.build(settings, tuple(documents), index_dir=index_dir)
        known = recall(settings, origin, index_dir) if origin else None
        if known:
            try:
                return cls.open(settings, known)
            except DataError as error:
                logger.warning("%s Building it anew.", error)
        folder = index_texts(settings, documents, index_dir)
        if origin:
            remember(settings, origin, folder)
        return cls.open(settings, folder)

    @classmethod
    def open(
        cls, settings: RetrieverSettings, folder: Path, documents: Sequence[Document] | None = None
    ) -> Bm25Retriever:
        """Open a bm25s index that was built before, memory-mapped.

        Raises:
            FingerprintError: it was made with other parameters, or from other documents than those given.
            DataError: there is none, or it is damaged.
        """
        manifest = read_manifest(folder)
        expected = {"model": formula(settings)}
        if documents is not None:
            expected["gallery"] = read_gallery(documents).digest
        require_same(folder, manifest.identity, expected)
        try:
            return cls(settings, Bm25s.open(folder), manifest.identity, MappedIds(folder))
        except (OSError, ValueError, KeyError) as error:
            raise damaged(folder, str(error)) from error

    @property
    def fingerprint(self) -> str:
        """Hash of engine, formula, parameters, tokenization, and ids and contents of the gallery."""
        return self._identity.fingerprint

    @property
    def size(self) -> int:
        """Number of documents in the gallery."""
        return len(self._doc_ids)

    def search(self, queries: Sequence[Query], *, k: int) -> list[Ranking]:
        """Rank at most k documents of each query, ties by document id; no hits where no word of the query is known.

        Raises:
            DataError: a query has a picture and no text.
        """
        k = min(k, self.size)
        if not queries or k < 1:
            return [Ranking(query.query_id, ()) for query in queries]
        best = self._engine.best([self._asked(query) for query in queries], k)
        ids = {position: self._doc_ids[position] for position in set().union(*(positions for positions, _ in best))}
        return [
            Ranking(query.query_id, tuple(map(Hit, map(ids.__getitem__, positions), scores)))
            for query, (positions, scores) in zip(queries, best, strict=True)
        ]

    def similarity(self, queries: Sequence[Query], doc_ids: Sequence[str]) -> FloatArray:
        """BM25 score of query i and document i: shape (n,); 0 without a common word.

        Raises:
            DataError: a document is not in the gallery.
        """
        require_pairs(queries, doc_ids)
        positions = {doc_id: self._position(doc_id) for doc_id in dict.fromkeys(doc_ids)}
        asked = {query: self._asked(query) for query in dict.fromkeys(queries)}
        return self._engine.scores([asked[query] for query in queries], [positions[doc_id] for doc_id in doc_ids])

    def fits(self, texts: Sequence[str]) -> list[bool]:
        """Every text can be read whole."""
        return [True] * len(texts)

    @classmethod
    def _in_memory(cls, settings: RetrieverSettings, gallery: Gallery, identity: IndexIdentity) -> Bm25Retriever:
        corpus = [document_words(settings, document) for document in gallery.documents]
        if not any(corpus):
            raise no_words(len(corpus))
        engine = RankBm25(corpus, k1=settings.k1, b=settings.b)
        return cls(settings, engine, identity, [document.doc_id for document in gallery.documents])

    def _position(self, doc_id: str) -> int:
        position = position_of(doc_id, self._doc_ids)
        if position is None:
            problem = f"not among the {self.size} of the gallery"
            raise DataError(message(f"document {doc_id!r}", problem, "ask for documents of the gallery only"))
        return position

    def _asked(self, query: Query) -> Asked:
        if isinstance(query, WeightedQuery):
            weighted = [(word, weight) for text, weight in query.terms for word in self._split(text)]
            return tuple(word for word, _ in weighted), tuple(weight for _, weight in weighted)
        if query.image is not None and not query.text:
            problem = "bm25 searches texts by words, got a picture"
            raise DataError(message(f"query {query.query_id!r}", problem, "give a text, or use retriever.kind: clip"))
        found = tuple(self._split(query.text))
        return found, (1.0,) * len(found)

    def _split(self, text: str) -> list[str]:
        return words(text, stop_words=self._settings.stop_words, stemmer=self._settings.stemmer)
