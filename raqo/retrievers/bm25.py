"""Texts searched by their words."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from raqo.errors import DataError, message
from raqo.protocols import FloatArray
from raqo.records import Document, Hit, Query, Ranking
from raqo.retrievers.bm25_engines import Bm25Engine, Bm25s, Positions, RankBm25, Ranked, Scores, top
from raqo.retrievers.gallery import read_gallery
from raqo.retrievers.index_folder import IndexIdentity, damaged, is_valid, read_manifest, require_same, write_index
from raqo.retrievers.settings import RetrieverSettings
from raqo.retrievers.weighted_query import WeightedQuery
from raqo.retrievers.words import words

logger = logging.getLogger(__name__)

Asked = tuple[tuple[str, ...], tuple[float, ...] | None]
"""Words of a query, and their weights where they are not all 1."""


class Bm25Retriever:
    """A `Retriever` over texts. A document that shares no word with the query is no hit, so rankings may be short.

    A `WeightedQuery` is searched by its weighted terms, any other query by the words of its text.
    """

    def __init__(
        self, engine: Bm25Engine, identity: IndexIdentity, doc_ids: Sequence[str], *, stop_words: bool = True
    ) -> None:
        self._engine = engine
        self._identity = identity
        self._doc_ids = tuple(doc_ids)
        self._positions = {doc_id: position for position, doc_id in enumerate(self._doc_ids)}
        self._stop_words = stop_words

    @classmethod
    def build(cls, settings: RetrieverSettings, documents: Sequence[Document], *, index_dir: Path) -> Bm25Retriever:
        """Index texts; bm25s keeps its index in a folder of `index_dir` named by the fingerprint and reuses it.

        Raises:
            DataError: unusable documents, a document without text, or no words at all.
            RunFolderError: the index cannot be written.
        """
        gallery = read_gallery(documents)
        identity = IndexIdentity(model=_formula(settings), weights="", gallery=gallery.digest)
        doc_ids = [document.doc_id for document in gallery.documents]
        folder = index_dir / f"bm25-{identity.fingerprint}"
        if settings.engine == "bm25s" and is_valid(folder, identity):
            logger.info("reusing the index of %d documents in %s", len(doc_ids), folder)
            return cls.open(settings, folder)
        corpus = [words(_text(document), stop_words=settings.stop_words) for document in gallery.documents]
        if not any(corpus):
            fix = "give texts with words, or set retriever.stop_words: false"
            raise DataError(message("gallery", f"there is not one word in {len(doc_ids)} documents", fix))
        if settings.engine == "rank_bm25":
            engine = RankBm25(corpus, k1=settings.k1, b=settings.b)
            return cls(engine, identity, doc_ids, stop_words=settings.stop_words)
        built = Bm25s.build(corpus, k1=settings.k1, b=settings.b)
        write_index(folder, identity, doc_ids=doc_ids, save=built.save)
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
        expected = {"model": _formula(settings)}
        if documents is not None:
            expected["gallery"] = read_gallery(documents).digest
        require_same(folder, manifest.identity, expected)
        try:
            engine = Bm25s.open(folder)
        except (OSError, ValueError, KeyError) as error:
            raise damaged(folder, str(error)) from error
        return cls(engine, manifest.identity, manifest.doc_ids, stop_words=settings.stop_words)

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
        best = self._best([self._asked(query) for query in queries], k)
        return [Ranking(query.query_id, self._hits(*found)) for query, found in zip(queries, best, strict=True)]

    def similarity(self, queries: Sequence[Query], doc_ids: Sequence[str]) -> FloatArray:
        """BM25 score of query i and document i: shape (n,); 0 without a common word.

        Raises:
            DataError: a document is not in the gallery.
        """
        if len(queries) != len(doc_ids):
            raise ValueError(f"similarity: {len(queries)} queries for {len(doc_ids)} documents; give as many of each.")
        unknown = next((doc_id for doc_id in doc_ids if doc_id not in self._positions), None)
        if unknown is not None:
            problem = f"not among the {self.size} of the gallery"
            raise DataError(message(f"document {unknown!r}", problem, "ask for documents of the gallery only"))
        scores = np.zeros(len(queries), dtype=np.float32)
        asked = {query: self._asked(query) for query in dict.fromkeys(queries)}
        rows_by_words: dict[Asked, list[int]] = {}
        for row, query in enumerate(queries):
            rows_by_words.setdefault(asked[query], []).append(row)
        for of_words, rows in rows_by_words.items():
            scores[rows] = self._scores(of_words)[[self._positions[doc_ids[row]] for row in rows]]
        return scores

    def fits(self, texts: Sequence[str]) -> list[bool]:
        """Every text can be read whole."""
        return [True] * len(texts)

    def _hits(self, positions: Positions, scores: Scores) -> tuple[Hit, ...]:
        pairs = zip(positions.tolist(), scores.tolist(), strict=True)
        return tuple(Hit(self._doc_ids[position], score) for position, score in pairs)

    def _best(self, asked: Sequence[Asked], k: int) -> list[Ranked]:
        """Plain queries go to the engine in one batch, weighted ones one after another."""
        plain = iter(self._engine.best([list(of_query) for of_query, weights in asked if weights is None], k))
        return [next(plain) if one[1] is None else top(self._scores(one), k) for one in asked]

    def _scores(self, asked: Asked) -> Scores:
        query_words, weights = list(asked[0]), asked[1]
        if weights is None:
            return self._engine.scores(query_words)
        return self._engine.weighted_scores(query_words, weights)

    def _asked(self, query: Query) -> Asked:
        if isinstance(query, WeightedQuery):
            weighted = [(word, weight) for text, weight in query.terms for word in self._split(text)]
            weights = tuple(weight for _, weight in weighted)
            return tuple(word for word, _ in weighted), weights if any(weight != 1 for weight in weights) else None
        if query.image is not None and not query.text:
            problem = "bm25 searches texts by words, got a picture"
            raise DataError(message(f"query {query.query_id!r}", problem, "give a text, or use retriever.kind: clip"))
        return tuple(self._split(query.text)), None

    def _split(self, text: str) -> list[str]:
        return words(text, stop_words=self._stop_words)


def _formula(settings: RetrieverSettings) -> str:
    form = "lucene" if settings.engine == "bm25s" else f"okapi floor {RankBm25.EPSILON}"
    stop = "lucene stop words" if settings.stop_words else "no stop words"
    return f"{settings.engine} {form} k1={settings.k1:g} b={settings.b:g} {stop}"


def _text(document: Document) -> str:
    if document.text is None:
        problem = "bm25 searches texts, got a picture"
        raise DataError(message(f"document {document.doc_id!r}", problem, "give texts, or use retriever.kind: clip"))
    return document.text
