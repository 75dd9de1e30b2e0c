"""The one place where retrievers are made from settings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from raqo.protocols import Encoder, Retriever
from raqo.records import Document
from raqo.retrievers.settings import RetrieverSettings


def build_encoder(settings: RetrieverSettings) -> Encoder:
    """Load the model of a clip retriever.

    Raises:
        ConfigError: the name is unknown.
        DataError: weights that are missing, pickled, or do not fit the configuration.
    """
    from raqo.retrievers.clip import ClipEncoder

    return ClipEncoder.load(
        settings.model,
        device=settings.device,
        batch_size=settings.batch_size,
        workers=settings.workers,
        text_cache=settings.text_cache,
    )


def build_retriever(
    settings: RetrieverSettings, documents: Sequence[Document], *, index_dir: Path, encoder: Encoder | None = None
) -> Retriever:
    """Make a searchable gallery, or reuse its index from `index_dir`.

    Args:
        settings: what to build.
        documents: what is searched.
        index_dir: holds one folder per fingerprint, so several galleries and models may share it.
        encoder: for clip: an encoder loaded already; galleries that share one share its text cache too.

    Raises:
        ConfigError: the model's name is unknown.
        DataError: unusable documents or weights.
        RunFolderError: the index cannot be written.
    """
    match settings.kind:
        case "clip":
            from raqo.retrievers.clip_retriever import ClipRetriever

            encoder = encoder or build_encoder(settings)
            return ClipRetriever.build(encoder, documents, index_dir=index_dir, on_error=settings.on_error)
        case "bm25":
            from raqo.retrievers.bm25 import Bm25Retriever

            return Bm25Retriever.build(settings, documents, index_dir=index_dir)
