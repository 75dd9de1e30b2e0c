"""A gallery searched by the vectors of a CLIP-like encoder, in either direction."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from raqo.errors import DataError, message
from raqo.protocols import Encoder, FloatArray
from raqo.records import Document, OnError, Query, Ranking
from raqo.retrievers.gallery import Gallery, Skipped, read_gallery
from raqo.retrievers.index_folder import IndexIdentity, is_valid, require_same, write_index
from raqo.retrievers.index_settings import IndexSettings
from raqo.retrievers.vectors.dense_index import EMBEDDINGS, DenseIndex, asked_as
from raqo.retrievers.vectors.finders import with_finder
from raqo.retrievers.vectors.queries import rankings, similarities

logger = logging.getLogger(__name__)

EMBEDDED_AT_ONCE = 1024


class ClipRetriever:
    """A `Retriever` over pictures (t2i) or texts (i2t).

    A query with a text or a picture is searched by it. One with both scores (1 - w) * text similarity + w * picture
    similarity, where w is the image weight; at 1, the default, its text is not looked at.
    """

    def __init__(self, encoder: Encoder, index: DenseIndex, *, image_weight: float = 1.0) -> None:
        self._encoder = encoder
        self._index = index
        self._image_weight = image_weight

    @classmethod
    def build(
        cls,
        encoder: Encoder,
        documents: Sequence[Document],
        *,
        index_dir: Path,
        on_error: OnError = "fail",
        finder: IndexSettings | None = None,
        image_weight: float = 1.0,
    ) -> ClipRetriever:
        """Embed documents into a folder of `index_dir` named by their fingerprint; reuse it if it is there and whole.

        Args:
            encoder: what embeds documents and queries.
            documents: pictures, texts, or both.
            index_dir: holds one folder per fingerprint.
            on_error: ``skip`` leaves unreadable pictures out of the gallery and lists them in `skipped`.
            finder: what finds candidates; None searches exactly.
            image_weight: of queries with text and picture.

        Raises:
            ConfigError: the finder's settings do not suit the gallery.
            DataError: unusable documents, or with ``fail`` an unreadable picture.
            RunFolderError: the index cannot be written.
        """
        gallery = read_gallery(documents)
        identity = IndexIdentity(**_encoder_parts(encoder), gallery=gallery.digest)
        folder = index_dir / f"clip-{identity.fingerprint}"
        if is_valid(folder, identity):
            logger.info("reusing the index of %d documents in %s", len(gallery.documents), folder)
            retriever = cls.open(folder, encoder, finder=finder, image_weight=image_weight)
            if on_error == "skip" or not retriever.skipped:
                return retriever
        doc_ids, embeddings, skipped = _embed(encoder, gallery, on_error)
        write_index(
            folder,
            identity,
            doc_ids=doc_ids,
            skipped=skipped,
            save=lambda temporary: np.save(temporary / EMBEDDINGS, embeddings, allow_pickle=False),
        )
        return cls.open(folder, encoder, finder=finder, image_weight=image_weight)

    @classmethod
    def open(
        cls,
        folder: Path,
        encoder: Encoder,
        documents: Sequence[Document] | None = None,
        *,
        finder: IndexSettings | None = None,
        image_weight: float = 1.0,
    ) -> ClipRetriever:
        """Open an index that was built before.

        Args:
            folder: of the index itself.
            encoder: what embeds queries.
            documents: checked against the index where given; else the index is taken at its word.
            finder: what finds candidates, built beside the folder where it is not there; None searches exactly.
            image_weight: of queries with text and picture.

        Raises:
            FingerprintError: it was made with another model, other weights or another gallery.
            DataError: there is none, or it is damaged.
        """
        index = DenseIndex.open(folder)
        expected = _encoder_parts(encoder)
        if documents is not None:
            expected["gallery"] = read_gallery(documents).digest
        require_same(folder, index.identity, expected)
        return cls(encoder, with_finder(index, finder, index_dir=folder.parent), image_weight=image_weight)

    @property
    def fingerprint(self) -> str:
        """Hash of model name, weights, configuration, finder, image weight, and ids and contents of the gallery."""
        weight = "" if self._image_weight == 1 else f"image_weight={self._image_weight}"
        return asked_as(self._index.identity.fingerprint, weight)

    @property
    def size(self) -> int:
        """Number of documents in the gallery."""
        return len(self._index.doc_ids)

    @property
    def skipped(self) -> tuple[Skipped, ...]:
        """Documents left out of the gallery, each with the reason."""
        return self._index.skipped

    def search(self, queries: Sequence[Query], *, k: int) -> list[Ranking]:
        """Rank the best k documents of each query by cosine; k is clipped to the gallery, ties go by document id.

        With a finder there may be fewer hits.
        """
        return rankings(self._index, self._encode, queries, k=k)

    def similarity(self, queries: Sequence[Query], doc_ids: Sequence[str]) -> FloatArray:
        """Cosine of query i and document i: shape (n,).

        Raises:
            DataError: a document is not in the gallery.
        """
        return similarities(self._index, self._encode, queries, doc_ids)

    def fits(self, texts: Sequence[str]) -> list[bool]:
        """Whether the encoder reads each text whole."""
        limit = self._encoder.context_length
        return [count <= limit for count in self._encoder.token_counts(texts)]

    def _encode(self, queries: Sequence[Query]) -> FloatArray:
        return encode_queries(self._encoder, queries, image_weight=self._image_weight)


def encode_queries(encoder: Encoder, queries: Sequence[Query], *, image_weight: float) -> FloatArray:
    """Encode queries by their picture where they have one, mixed with their text where they have both: (n, d).

    The dot product is linear: scores of the mixed vector are the mixed scores.
    """
    vectors = encode_items(encoder, [(query.text, query.image) for query in queries])
    both = [row for row, query in enumerate(queries) if query.text and query.image is not None]
    if not both or image_weight == 1:
        return vectors
    texts = encoder.encode_texts([queries[row].text for row in both])
    vectors[both] = image_weight * vectors[both] + (1 - image_weight) * texts
    return vectors


def encode_items(encoder: Encoder, items: Sequence[tuple[str | None, str | None]]) -> FloatArray:
    """Encode (text, image) pairs, by the image where there is one: (n, d)."""
    pictures = [row for row, (_, image) in enumerate(items) if image is not None]
    texts = [row for row, (_, image) in enumerate(items) if image is None]
    parts = []
    if pictures:
        parts.append(encoder.encode_images([items[row][1] or "" for row in pictures]))
    if texts:
        parts.append(encoder.encode_texts([items[row][0] or "" for row in texts]))
    back = np.argsort(np.array(pictures + texts), kind="stable")
    return parts[0] if len(parts) == 1 else np.concatenate(parts)[back]


def _embed(encoder: Encoder, gallery: Gallery, on_error: OnError) -> tuple[list[str], FloatArray, list[Skipped]]:
    """Embed each distinct content once, so that copies of one picture tie exactly: ids, (n, d), and who is left out."""
    keyed = zip(gallery.documents, gallery.hashes, strict=True)
    keys = [content or f"unreadable {document.doc_id}" for document, content in keyed]
    distinct: dict[str, Document] = {}
    for key, document in zip(keys, gallery.documents, strict=True):
        distinct.setdefault(key, document)
    results: dict[str, FloatArray | str] = {}
    with tqdm(total=len(distinct), desc="embedding the gallery", unit="doc", disable=None) as bar:
        for part in _parts(list(distinct.items())):
            results.update(zip(dict(part), _vectors(encoder, [doc for _, doc in part], on_error), strict=True))
            bar.update(len(part))
    ids, vectors, skipped = [], [], []
    for document, key in zip(gallery.documents, keys, strict=True):
        result = results[key]
        if isinstance(result, str):
            logger.info("document %r is left out: %s", document.doc_id, result)
            skipped.append(Skipped(document.doc_id, result))
        else:
            ids.append(document.doc_id)
            vectors.append(result)
    if not ids:
        problem = f"none of {len(skipped)} documents can be read (the first: {skipped[0][1]})"
        raise DataError(message("gallery", problem, "check the paths"))
    return ids, np.stack(vectors), skipped


def _vectors(encoder: Encoder, documents: list[Document], on_error: OnError) -> list[FloatArray | str]:
    """A vector for each document, or with ``skip`` the reason for none, found by halving a group that fails."""
    try:
        return list(encode_items(encoder, [(document.text, document.image) for document in documents]))
    except DataError as error:
        if on_error == "fail":
            problem = str(error).rstrip(".")
            raise DataError(f"{problem}, or leave it out with on_error: skip of the data set.") from error
        if len(documents) == 1:
            return [str(error)]
    middle = len(documents) // 2
    return _vectors(encoder, documents[:middle], on_error) + _vectors(encoder, documents[middle:], on_error)


def _parts(items: list[tuple[str, Document]]) -> Iterator[list[tuple[str, Document]]]:
    for start in range(0, len(items), EMBEDDED_AT_ONCE):
        yield items[start : start + EMBEDDED_AT_ONCE]


def _encoder_parts(encoder: Encoder) -> dict[str, str]:
    model, _, weights = encoder.fingerprint.rpartition("@")
    return {"model": model, "weights": weights}
