"""Settings of the retriever. Imports nothing heavy: the configuration reads this module."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from raqo.errors import ConfigError, message

OnError = Literal["fail", "skip"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrieverSettings:
    """Which retriever searches the gallery, and how.

    Attributes:
        kind: ``clip`` searches pictures or texts by an open_clip model, ``bm25`` searches texts by their words.
        model: for clip: ``open_clip:NAME/TAG``, ``local-dir:FOLDER`` or a folder of `ClipEncoder.load`.
        device: for clip: ``auto`` takes the GPU where there is one.
        batch_size: texts or pictures encoded at once; fewer are filled up to it. Larger pays on a GPU only.
        workers: threads that read and decode pictures ahead of the model.
        text_cache: text embeddings kept in memory; the least recently used go first.
        engine: for bm25: ``bm25s``, or the much slower ``rank_bm25`` for comparisons with papers that used it.
        k1: BM25's saturation of term frequency; the default is Pyserini's (Lucene's own is 1.2, rank_bm25's 1.5).
        b: BM25's length normalisation, 0 to 1; the default is Pyserini's (rank_bm25's is 0.75).
        stop_words: drop the most common English words from texts and queries.
        on_error: what an unreadable document does to the build: end it, or be left out, logged and counted.
    """

    kind: Literal["clip", "bm25"] = "clip"
    model: str = "open_clip:ViT-B-32/openai"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    batch_size: int = 32
    workers: int = 4
    text_cache: int = 50_000
    engine: Literal["bm25s", "rank_bm25"] = "bm25s"
    k1: float = 0.9
    b: float = 0.4
    stop_words: bool = True
    on_error: OnError = "fail"

    def __post_init__(self) -> None:
        for name in ("batch_size", "workers"):
            if getattr(self, name) < 1:
                raise _wrong(name, "at least 1", getattr(self, name))
        if self.text_cache < 0:
            raise _wrong("text_cache", "0 or more", self.text_cache)
        if not self.k1 >= 0:
            raise _wrong("k1", "0 or more", self.k1)
        if not 0 <= self.b <= 1:
            raise _wrong("b", "0 to 1", self.b)


def _wrong(name: str, expected: str, got: float) -> ConfigError:
    return ConfigError(message(f"retriever.{name}", f"expected {expected}, got {got}", "correct the value"))
