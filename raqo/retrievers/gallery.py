"""What is searched: documents in a fixed order, with a hash of their content."""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

from raqo.errors import DataError, message
from raqo.protocols import Retriever
from raqo.records import Document
from raqo.retrievers.images import content_hash, picture_problem

logger = logging.getLogger(__name__)

WAITING = 1024
"""Pictures handed to threads at once."""


class Skipped(NamedTuple):
    """A document left out, and why."""

    doc_id: str
    reason: str


@runtime_checkable
class LeavesOut(Protocol):
    """A `Retriever` over pictures, which can leave out those that cannot be read."""

    @property
    def skipped(self) -> tuple[Skipped, ...]:
        """Documents that are not in the gallery."""
        ...


def left_out(retriever: Retriever) -> tuple[Skipped, ...]:
    """Documents that a retriever was given and does not search; none where it cannot leave any out."""
    return retriever.skipped if isinstance(retriever, LeavesOut) else ()


def unreadable(
    documents: Sequence[Document], *, workers: int = 4, opened: Callable[[], object] = lambda: None
) -> tuple[Skipped, ...]:
    """Open every picture and drop it again: those that cannot be, in the order of the documents.

    Args:
        documents: those without a picture are passed over.
        workers: pictures that are opened at once, and so held in memory.
        opened: called after each picture.
    """
    pictures = [(document.doc_id, document.image) for document in documents if document.image is not None]
    found = []
    with ThreadPoolExecutor(workers) as pool:
        for start in range(0, len(pictures), WAITING):
            part = pictures[start : start + WAITING]
            for (doc_id, _), problem in zip(part, pool.map(picture_problem, (path for _, path in part)), strict=True):
                opened()
                if problem is not None:
                    found.append(Skipped(doc_id, problem))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Gallery:
    """Documents ordered by id, so that position in an index and tie order are the same.

    Attributes:
        hashes: content hash of each document; empty for a picture that cannot be read.
        digest: hash over all ids and contents, whatever order the documents came in.
    """

    documents: tuple[Document, ...]
    hashes: tuple[str, ...]
    digest: str


def read_gallery(documents: Sequence[Document], *, workers: int = 4) -> Gallery:
    """Check and hash documents; pictures are hashed by their bytes, without decoding them.

    Raises:
        DataError: no documents, an id given twice, or a document with neither text nor image.
    """
    ordered = tuple(sorted(documents, key=lambda document: document.doc_id))
    _check(ordered)
    with ThreadPoolExecutor(workers) as pool:
        hashes = tuple(pool.map(document_hash, ordered))
    return Gallery(ordered, hashes, digest_of((document.doc_id for document in ordered), hashes))


def digest_of(doc_ids: Iterable[str], hashes: Iterable[str]) -> str:
    """Hash over ids, in order, and the hash of each one's content."""
    digest = hashlib.sha256()
    for doc_id, content in zip(doc_ids, hashes, strict=True):
        digest.update(_utf8(f"{len(doc_id)}:{doc_id} {content}\n"))
    return digest.hexdigest()


def _check(documents: Sequence[Document]) -> None:
    if not documents:
        raise DataError(message("gallery", "expected documents, got none", "give at least one document"))
    for doc_id, count in Counter(document.doc_id for document in documents).items():
        if count > 1:
            problem = f"document id {doc_id!r} is given {count} times"
            raise DataError(message("gallery", problem, "give each document an id of its own"))
    for document in documents:
        if document.text is None and document.image is None:
            raise DataError(message(f"document {document.doc_id!r}", "has neither text nor image", "give one of them"))


def document_hash(document: Document) -> str:
    """Hash of a document's content; empty for a picture that cannot be read."""
    if document.image is None:
        return hashlib.sha256(b"text\0" + _utf8(document.text or "")).hexdigest()
    try:
        return content_hash(document.image)
    except DataError:
        return ""  # whether that ends the build is decided when the picture is encoded


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
