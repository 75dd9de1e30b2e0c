"""A corpus that is searched and read from disk: the index of bm25 and the texts beside it, made in one pass."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload

from raqo.errors import DataError
from raqo.records import Document
from raqo.retrievers.bm25.build import index_texts, recall, remember
from raqo.retrievers.bm25.mapped_texts import MappedTexts, texts_folder
from raqo.retrievers.bm25.retriever import Bm25Retriever
from raqo.retrievers.index_folder import MANIFEST
from raqo.retrievers.settings import RetrieverSettings

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class StoredPassages(Sequence[Document]):
    """Passages on disk, in the order of their ids; each is read when it is asked for.

    Attributes:
        retriever: searches them.
        texts: passages by id.
    """

    retriever: Bm25Retriever
    texts: MappedTexts

    def __len__(self) -> int:
        return len(self.texts)

    @overload
    def __getitem__(self, position: int) -> Document: ...
    @overload
    def __getitem__(self, position: slice) -> Sequence[Document]: ...
    def __getitem__(self, position: int | slice) -> Document | Sequence[Document]:
        if isinstance(position, slice):
            return [self[at] for at in range(*position.indices(len(self)))]
        at = range(len(self))[position]
        return Document(self.texts.ids[at], text=self.texts.at(at))


def documents_by_id(documents: Sequence[Document]) -> Mapping[str, Document]:
    """Documents by their ids; `StoredPassages` stay on disk."""
    if isinstance(documents, StoredPassages):
        return _ById(documents.texts)
    return {document.doc_id: document for document in documents}


class _ById(Mapping[str, Document]):
    def __init__(self, texts: MappedTexts) -> None:
        self._texts = texts

    def __getitem__(self, doc_id: str) -> Document:
        return Document(doc_id, text=self._texts[doc_id])

    def __contains__(self, doc_id: object) -> bool:
        return doc_id in self._texts

    def __len__(self) -> int:
        return len(self._texts)

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts)


def open_or_store(
    settings: RetrieverSettings, read: Callable[[], Iterable[Document]], *, index_dir: Path, origin: str
) -> StoredPassages:
    """Open what was stored of a stream before, or store it; the passages are never held in memory.

    Args:
        settings: of a bm25 retriever; its engine is bm25s.
        read: gives the stream; it is asked for it only if nothing was stored.
        index_dir: holds one folder per fingerprint, and one with the texts of each gallery.
        origin: where the stream comes from, in which state, and how it is read.

    Raises:
        DataError: no documents, an id given twice, a document without text, or no words at all.
        RunFolderError: index or texts cannot be written.
    """
    known = recall(settings, origin, index_dir)
    if known:
        try:
            return _open(settings, known)
        except DataError as error:
            logger.warning("%s Building it anew.", error)
    folder = index_texts(settings, read(), index_dir, keep_texts=True)
    remember(settings, origin, folder)
    return _open(settings, folder)


def _open(settings: RetrieverSettings, folder: Path) -> StoredPassages:
    retriever = Bm25Retriever.open(settings, folder)
    gallery = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["gallery"]
    return StoredPassages(retriever, MappedTexts(texts_folder(gallery, folder.parent)))
