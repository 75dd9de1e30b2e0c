"""Candidates among the vectors of a gallery: read from the disk where they were indexed before, else indexed now."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from raqo.protocols import FloatArray
from raqo.retrievers.index_folder import damaged, is_valid, write_index
from raqo.retrievers.index_settings import IndexSettings, LshSettings, describe
from raqo.retrievers.vectors.ann_index import FaissFinder
from raqo.retrievers.vectors.dense_index import DenseIndex, Finder
from raqo.retrievers.vectors.lsh_index import LshTables

logger = logging.getLogger(__name__)


class _Written(Finder, Protocol):
    def save(self, folder: Path) -> None: ...


def with_finder(index: DenseIndex, settings: IndexSettings | None, *, index_dir: Path) -> DenseIndex:
    """Search an index by candidates instead of exactly; the vectors stay where they are and keep the exact scores.

    Args:
        index: the gallery's vectors.
        settings: what finds the candidates; ``None`` gives back the exact index.
        index_dir: holds the finder's own folder, named by its fingerprint.

    Raises:
        ConfigError: the settings do not suit the size of the gallery.
        DataError: the finder's files are damaged in a way their hashes do not show.
        RunFolderError: its files cannot be written.
    """
    if settings is None:
        return index
    line = f"{index.identity.model} | {describe(settings)} | {len(index.doc_ids)} vectors"
    identity = replace(index.identity, model=line)
    folder = index_dir / f"{describe(settings).split()[0]}-{identity.fingerprint}"
    if not is_valid(folder, identity):
        logger.info("indexing %d vectors: %s", len(index.doc_ids), describe(settings))
        write_index(folder, identity, doc_ids=(), save=_build(index.embeddings, settings).save)
    try:
        return DenseIndex(index.manifest, index.embeddings, identity=identity, finder=_open(folder, settings))
    except (OSError, ValueError, RuntimeError) as error:
        raise damaged(folder, str(error)) from error


def _build(embeddings: FloatArray, settings: IndexSettings) -> _Written:
    if isinstance(settings, LshSettings):
        return LshTables.build(embeddings, settings)
    return FaissFinder.build(embeddings, settings)


def _open(folder: Path, settings: IndexSettings) -> Finder:
    if isinstance(settings, LshSettings):
        return LshTables.open(folder, settings)
    return FaissFinder.open(folder, settings)
