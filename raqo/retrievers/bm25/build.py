"""From texts to a BM25 index on disk, in one pass."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterable
from contextlib import ExitStack, closing
from pathlib import Path

import numpy as np

from raqo.errors import DataError, message
from raqo.files import write_text
from raqo.records import Document
from raqo.retrievers.bm25.mapped_ids import MappedIds
from raqo.retrievers.bm25.mapped_texts import TextWriter, texts_folder
from raqo.retrievers.bm25.postings import Postings
from raqo.retrievers.gallery import digest_of, document_hash
from raqo.retrievers.index_folder import IndexIdentity, is_valid, write_index, writing
from raqo.retrievers.settings import RetrieverSettings
from raqo.retrievers.words import words

OKAPI_FLOOR = 0.25


def index_texts(
    settings: RetrieverSettings, documents: Iterable[Document], index_dir: Path, *, keep_texts: bool = False
) -> Path:
    """Index a stream of texts, unless that index is there already.

    Memory holds the ids and hashes of the documents (some 200 bytes each), the vocabulary, and one block of postings.

    Args:
        settings: of the retriever.
        documents: in any order.
        index_dir: holds one folder per fingerprint, and what is unsorted meanwhile.
        keep_texts: put the texts on disk too, in `texts_folder`, for `MappedTexts`.

    Returns:
        The folder of the index, named by its fingerprint, the same as for the same documents in any other order.

    Raises:
        DataError: no documents, an id given twice, a document without text, or no words at all.
        RunFolderError: the index cannot be written.
    """
    with writing(index_dir):
        index_dir.mkdir(parents=True, exist_ok=True)
        unsorted = tempfile.TemporaryDirectory(dir=index_dir, prefix=".bm25-")
    with unsorted as runs, ExitStack() as stack:
        postings = Postings(Path(runs))
        writer = stack.enter_context(closing(TextWriter(Path(runs)))) if keep_texts else None
        hashes = _read(settings, documents, postings, writer)
        ids = list(hashes)
        order = sorted(range(len(ids)), key=ids.__getitem__)
        ids.sort()
        gallery = digest_of(ids, (hashes[doc_id].hex() for doc_id in ids))
        identity = IndexIdentity(model=formula(settings), weights="", gallery=gallery)
        folder = folder_of(settings, identity, index_dir)
        if writer:
            writer.save(texts_folder(gallery, index_dir), ids, order)
        positions = np.empty(len(ids), dtype=np.int64)
        positions[order] = np.arange(len(ids))

        def save(new: Path) -> None:
            MappedIds.save(new, ids)
            postings.save(new, positions, k1=settings.k1, b=settings.b, shards=settings.shards)

        if not is_valid(folder, identity):
            write_index(folder, identity, doc_ids=(), save=save)
    return folder


def _read(
    settings: RetrieverSettings, documents: Iterable[Document], postings: Postings, writer: TextWriter | None
) -> dict[str, bytes]:
    """Id -> hash of the content, in the order of the stream."""
    hashes: dict[str, bytes] = {}
    for document in documents:
        if document.doc_id in hashes:
            problem = f"document id {document.doc_id!r} is given twice"
            raise DataError(message("gallery", problem, "give each document an id of its own"))
        found = document_words(settings, document)
        hashes[document.doc_id] = bytes.fromhex(document_hash(document))
        postings.add(found)
        if writer:
            writer.add(document.doc_id, document.text or "")
    if not hashes:
        raise DataError(message("gallery", "expected documents, got none", "give at least one document"))
    if not postings.vocabulary:
        raise no_words(len(hashes))
    return hashes


def formula(settings: RetrieverSettings) -> str:
    """What the scores depend on besides the documents."""
    form = "lucene" if settings.engine == "bm25s" else f"okapi floor {OKAPI_FLOOR}"
    stop = "lucene stop words" if settings.stop_words else "no stop words"
    stems = f" {settings.stemmer} stems" if settings.stemmer else ""
    return f"{settings.engine} {form} k1={settings.k1:g} b={settings.b:g} {stop}{stems}"


def folder_of(settings: RetrieverSettings, identity: IndexIdentity, index_dir: Path) -> Path:
    """Where an index lies; scores, and so fingerprints, are the same for any number of shards."""
    return index_dir / f"bm25-{identity.fingerprint}-{settings.shards}"


def document_words(settings: RetrieverSettings, document: Document) -> list[str]:
    """Words of a document's text.

    Raises:
        DataError: it has none.
    """
    if document.text is None:
        problem = f"bm25 searches texts, got {'a picture' if document.image else 'nothing'}"
        raise DataError(message(f"document {document.doc_id!r}", problem, "give texts, or use retriever.kind: clip"))
    return words(document.text, stop_words=settings.stop_words, stemmer=settings.stemmer)


def no_words(count: int) -> DataError:
    """The error for documents that hold nothing to search by."""
    fix = "give texts with words, or set retriever.stop_words: false"
    return DataError(message("gallery", f"there is not one word in {count} documents", fix))


def file_origin(path: Path) -> str:
    """The origin of a stream that comes from a file: it is another one when the file was changed.

    Raises:
        DataError: there is no such file.
    """
    try:
        state = path.stat()
    except OSError as error:
        raise DataError(message(str(path), f"cannot be read ({error.strerror})", "check the path")) from error
    return f"{path.resolve()} {state.st_size} {state.st_mtime_ns}"


def remember(settings: RetrieverSettings, origin: str, folder: Path) -> None:
    """Note beside an index which stream it was built from."""
    write_text(_note(settings, origin, folder.parent), folder.name)


def recall(settings: RetrieverSettings, origin: str, index_dir: Path) -> Path | None:
    """The folder of the index that was built from a stream with these settings; None if none was."""
    note = _note(settings, origin, index_dir)
    return index_dir / Path(note.read_text(encoding="utf-8")).name if note.is_file() else None


def _note(settings: RetrieverSettings, origin: str, index_dir: Path) -> Path:
    key = f"{origin}\n{formula(settings)}\n{settings.shards}"
    return index_dir / f"bm25-origin-{hashlib.sha256(key.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}.txt"
