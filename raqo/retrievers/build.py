"""The one place where retrievers are made from settings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from raqo.protocols import Encoder, Retriever
from raqo.records import Document, OnError
from raqo.retrievers.settings import RetrieverSettings

if TYPE_CHECKING:
    from raqo.retrievers.dense.sentence_encoder import SentenceEncoder
    from raqo.retrievers.dual.retriever import DualQuestionEncoder

ModelKey = tuple[str, str, int, int, int]


class Encoders:
    """Models by their settings, each loaded once; galleries that share one share its text cache too."""

    def __init__(self) -> None:
        self._clip: dict[ModelKey, Encoder] = {}
        self._sentence: dict[ModelKey, SentenceEncoder] = {}
        self._dual: dict[ModelKey, DualQuestionEncoder] = {}

    def clip(self, settings: RetrieverSettings) -> Encoder:
        """The model of a clip retriever.

        Raises:
            ConfigError: the name is unknown.
            DataError: weights that are missing, pickled, or do not fit the configuration.
        """
        key = _model_key(settings)
        if key not in self._clip:
            self._clip[key] = build_encoder(settings)
        return self._clip[key]

    def sentence(self, settings: RetrieverSettings) -> SentenceEncoder:
        """The model of a dense retriever; it is loaded at first use."""
        from raqo.retrievers.dense.sentence_encoder import SentenceEncoder

        key = _model_key(settings)
        if key not in self._sentence:
            self._sentence[key] = SentenceEncoder(
                settings.model,
                device=None if settings.device == "auto" else settings.device,
                batch_size=settings.batch_size,
                cache_size=settings.vector_cache,
            )
        return self._sentence[key]

    def dual(self, settings: RetrieverSettings) -> DualQuestionEncoder:
        """The model of a dual retriever.

        Raises:
            DataError: there is none in its folder, or a file in it was changed.
        """
        from raqo.retrievers.dual.retriever import DualQuestionEncoder

        key = _model_key(settings)
        if key not in self._dual:
            self._dual[key] = DualQuestionEncoder.load(
                settings.model, device=settings.device, batch_size=settings.batch_size
            )
        return self._dual[key]


def build_encoder(settings: RetrieverSettings) -> Encoder:
    """Load the model of a clip retriever.

    Raises:
        ConfigError: the name is unknown.
        DataError: weights that are missing, pickled, or do not fit the configuration.
    """
    from raqo.retrievers.clip.encoder import ClipEncoder

    return ClipEncoder.load(
        settings.model,
        device=settings.device,
        batch_size=settings.batch_size,
        workers=settings.workers,
        vector_cache=settings.vector_cache,
    )


def build_retriever(
    settings: RetrieverSettings,
    documents: Sequence[Document],
    *,
    index_dir: Path,
    encoder: Encoder | None = None,
    encoders: Encoders | None = None,
    on_error: OnError = "fail",
) -> Retriever:
    """Make a searchable gallery, or reuse its index from `index_dir`.

    Args:
        settings: what to build.
        documents: what is searched.
        index_dir: holds one folder per fingerprint, so several galleries and models may share it.
        encoder: for clip: an encoder loaded already; galleries that share one share its text cache too.
        encoders: where models are taken from, and kept for the next gallery; by default each is loaded here.
        on_error: ``skip`` leaves out pictures that cannot be read: see `raqo.retrievers.gallery.left_out`.

    Raises:
        ConfigError: a model's name is unknown, or settings that do not suit the documents.
        DataError: unusable documents or weights.
        RunFolderError: the index cannot be written.
    """
    encoders = encoders or Encoders()
    match settings.kind:
        case "clip":
            from raqo.retrievers.clip.retriever import ClipRetriever

            return ClipRetriever.build(
                encoder or encoders.clip(settings),
                documents,
                index_dir=index_dir,
                on_error=on_error,
                finder=settings.finder,
                image_weight=settings.image_weight,
            )
        case "bm25":
            from raqo.retrievers.bm25.retriever import Bm25Retriever

            return Bm25Retriever.build(settings, documents, index_dir=index_dir)
        case "dense" | "lsh":
            from raqo.retrievers.dense.retriever import DenseRetriever

            return DenseRetriever.build(settings, encoders.sentence(settings), documents, index_dir=index_dir)
        case "dual":
            from raqo.retrievers.dense.retriever import DenseRetriever

            return DenseRetriever.build(settings, encoders.dual(settings), documents, index_dir=index_dir)
        case "milvus":
            return _build_milvus(settings, documents, encoder, encoders, on_error)
        case "hybrid":
            from raqo.retrievers.hybrid import HybridRetriever

            parts = [
                build_retriever(part, documents, index_dir=index_dir, encoders=encoders, on_error=on_error)
                for part in settings.parts
            ]
            return HybridRetriever(parts, settings.fusion)


def model_fingerprint(settings: RetrieverSettings, encoders: Encoders) -> str:
    """What queries are aligned to, whatever the gallery: models and weights, or the formula of bm25.

    Raises:
        ConfigError: a model's name is unknown.
        DataError: weights that are missing, pickled, or do not fit the configuration.
    """
    match settings.kind:
        case "clip":
            return encoders.clip(settings).fingerprint
        case "bm25":
            stems = f"-{settings.stemmer}" if settings.stemmer else ""
            return f"bm25-k1={settings.k1}-b={settings.b}{stems}"
        case "dense" | "lsh":
            return f"dense-{encoders.sentence(settings).fingerprint}"
        case "dual":
            return f"dual-{encoders.dual(settings).fingerprint}"
        case "milvus":
            return model_fingerprint(replace(settings, kind=settings.milvus.method), encoders)
        case "hybrid":
            parts = "+".join(model_fingerprint(part, encoders) for part in settings.parts)
            return f"{settings.fusion.method}({parts})"


def _build_milvus(
    settings: RetrieverSettings,
    documents: Sequence[Document],
    encoder: Encoder | None,
    encoders: Encoders,
    on_error: OnError,
) -> Retriever:
    if settings.milvus.method == "bm25":
        from raqo.retrievers.milvus.bm25 import MilvusBm25Retriever

        return MilvusBm25Retriever.build(settings, documents)
    from raqo.retrievers.gallery import unreadable
    from raqo.retrievers.milvus.vector_sources import ClipVectors, SentenceVectors, VectorSource
    from raqo.retrievers.milvus.vectors import MilvusVectorRetriever

    source: VectorSource
    if settings.milvus.method == "clip":
        source = ClipVectors(encoder or encoders.clip(settings), image_weight=settings.image_weight)
    else:
        source = SentenceVectors(
            encoders.sentence(settings),
            query_prefix=settings.query_prefix,
            document_prefix=settings.document_prefix,
        )
    # a collection does not say what was left out of it, so this is found anew each time
    skipped = unreadable(documents, workers=settings.workers) if on_error == "skip" else ()
    missing = {doc_id for doc_id, _ in skipped}
    kept = [document for document in documents if document.doc_id not in missing]
    return MilvusVectorRetriever.build(settings, source, kept, skipped=skipped)


def _model_key(settings: RetrieverSettings) -> ModelKey:
    return (settings.model, settings.device, settings.batch_size, settings.workers, settings.vector_cache)
