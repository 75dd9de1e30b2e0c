"""The one place where retrievers are made from settings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from raqo.protocols import Encoder, Retriever
from raqo.records import Document
from raqo.retrievers.settings import RetrieverSettings

if TYPE_CHECKING:
    from raqo.retrievers.sentence_encoder import SentenceEncoder

ModelKey = tuple[str, str, int, int, int]


class Encoders:
    """Models by their settings, each loaded once; galleries that share one share its text cache too."""

    def __init__(self) -> None:
        self._clip: dict[ModelKey, Encoder] = {}
        self._sentence: dict[ModelKey, SentenceEncoder] = {}

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
        from raqo.retrievers.sentence_encoder import SentenceEncoder

        key = _model_key(settings)
        if key not in self._sentence:
            self._sentence[key] = SentenceEncoder(
                settings.model,
                device=None if settings.device == "auto" else settings.device,
                batch_size=settings.batch_size,
                cache_size=settings.text_cache,
            )
        return self._sentence[key]


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
    settings: RetrieverSettings,
    documents: Sequence[Document],
    *,
    index_dir: Path,
    encoder: Encoder | None = None,
    encoders: Encoders | None = None,
) -> Retriever:
    """Make a searchable gallery, or reuse its index from `index_dir`.

    Args:
        settings: what to build.
        documents: what is searched.
        index_dir: holds one folder per fingerprint, so several galleries and models may share it.
        encoder: for clip: an encoder loaded already; galleries that share one share its text cache too.
        encoders: where models are taken from, and kept for the next gallery; by default each is loaded here.

    Raises:
        ConfigError: a model's name is unknown, or settings that do not suit the documents.
        DataError: unusable documents or weights.
        RunFolderError: the index cannot be written.
    """
    encoders = encoders or Encoders()
    match settings.kind:
        case "clip":
            from raqo.retrievers.clip_retriever import ClipRetriever

            return ClipRetriever.build(
                encoder or encoders.clip(settings),
                documents,
                index_dir=index_dir,
                on_error=settings.on_error,
                finder=settings.finder,
                image_weight=settings.image_weight,
            )
        case "bm25":
            from raqo.retrievers.bm25 import Bm25Retriever

            return Bm25Retriever.build(settings, documents, index_dir=index_dir)
        case "dense" | "lsh":
            from raqo.retrievers.dense import DenseRetriever

            return DenseRetriever.build(settings, encoders.sentence(settings), documents, index_dir=index_dir)
        case "hybrid":
            from raqo.retrievers.hybrid import HybridRetriever

            parts = [
                build_retriever(part, documents, index_dir=index_dir, encoders=encoders) for part in settings.parts
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
            return f"bm25-k1={settings.k1}-b={settings.b}"
        case "dense" | "lsh":
            return f"dense-{encoders.sentence(settings).fingerprint}"
        case "hybrid":
            parts = "+".join(model_fingerprint(part, encoders) for part in settings.parts)
            return f"{settings.fusion.method}({parts})"


def _model_key(settings: RetrieverSettings) -> ModelKey:
    return (settings.model, settings.device, settings.batch_size, settings.workers, settings.text_cache)
