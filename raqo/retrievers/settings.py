"""Settings of the retriever. Imports nothing heavy: the configuration reads this module."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from raqo.errors import ConfigError, message, nearest
from raqo.retrievers.fusion import FusionSettings
from raqo.retrievers.index_settings import HammingSettings, HnswSettings, IndexSettings, IvfSettings, LshSettings
from raqo.retrievers.milvus.settings import MilvusSettings

KINDS = ("clip", "bm25", "dense", "lsh", "dual", "milvus", "hybrid")
INDEXES = ("flat", "ivf", "hnsw", "lsh-faiss", "lsh")
ENGINES = ("bm25s", "rank_bm25")
STEMMERS = ("", "english")

CLIP_MODEL = "open_clip:ViT-B-32/openai"
SENTENCE_MODEL = "all-MiniLM-L6-v2"


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrieverSettings:
    """Which retriever searches the gallery, and how.

    Attributes:
        kind: ``clip`` searches pictures or texts by an open_clip model, ``bm25`` texts by their words, ``dense`` texts
            by a sentence-transformers model; ``lsh`` is ``dense`` with ``index: lsh``; ``dual`` texts by
            questions with pictures, by a dual encoder that raqo trained; ``milvus`` is one of ``bm25``, ``dense`` and
            ``clip`` in a Milvus database; ``hybrid`` fuses `parts`.
        model: for clip: ``open_clip:NAME/TAG``, ``local-dir:FOLDER`` or a folder of `ClipEncoder.load`. For dense and
            lsh: a folder or a name on the hub. For dual: its folder. Empty: OpenAI's ViT-B-32, and all-MiniLM-L6-v2,
            which comes with raqo.
        device: of the model: ``auto`` takes the GPU where there is one.
        batch_size: texts or pictures encoded at once; for clip, fewer are filled up to it. Larger pays on a GPU only.
        workers: threads that read and decode pictures ahead of the model.
        vector_cache: vectors of texts, and as many of pictures, kept in memory; the least recently used go first.
        image_weight: for clip: a query with text and picture scores (1 - w) * text similarity + w * picture similarity.
            1 searches by the picture alone.
        query_prefix: for dense, lsh and dual: put before each query, for models that were trained with one.
        document_prefix: for dense, lsh and dual: put before each document.
        index: for clip, dense and dual: ``flat`` is exact; ``ivf``, ``hnsw`` and ``lsh-faiss`` (faiss) and ``lsh``
            (Algorithm 1 of QueryFormer) find candidates, which are then scored exactly: only their choice is uncertain.
        ivf: settings of ``index: ivf``.
        hnsw: settings of ``index: hnsw``.
        lsh_faiss: settings of ``index: lsh-faiss``.
        lsh: settings of ``index: lsh`` and ``kind: lsh``.
        engine: for bm25: ``bm25s`` (its scores and its files, memory-mapped), or ``rank_bm25``, thousands of times
            slower and in memory only, for comparisons with papers that used it.
        k1: BM25's saturation of term frequency; the default is Pyserini's (Lucene's own is 1.2, rank_bm25's 1.5).
        b: BM25's length normalisation, 0 to 1; the default is Pyserini's (rank_bm25's is 0.75).
        stop_words: drop the most common English words from texts and queries.
        stemmer: for bm25: ``english`` searches by the stems of words (Snowball's Porter 2), empty by the words.
        shards: for bm25: parts of the index, each searched by itself; scores and rankings are those of a single one.
        milvus: for milvus: where the gallery lies, and how it is searched.
        parts: for hybrid: the settings of two or more retrievers over the same documents.
        fusion: for hybrid: how their results are put together.
    """

    kind: Literal["clip", "bm25", "dense", "lsh", "dual", "milvus", "hybrid"] = "clip"
    model: str = ""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    batch_size: int = 32
    workers: int = 4
    vector_cache: int = 50_000
    image_weight: float = 1.0
    query_prefix: str = ""
    document_prefix: str = ""
    index: Literal["flat", "ivf", "hnsw", "lsh-faiss", "lsh"] = "flat"
    ivf: IvfSettings = field(default_factory=IvfSettings)
    hnsw: HnswSettings = field(default_factory=HnswSettings)
    lsh_faiss: HammingSettings = field(default_factory=HammingSettings)
    lsh: LshSettings = field(default_factory=LshSettings)
    engine: Literal["bm25s", "rank_bm25"] = "bm25s"
    k1: float = 0.9
    b: float = 0.4
    stop_words: bool = True
    stemmer: Literal["", "english"] = ""
    shards: int = 1
    milvus: MilvusSettings = field(default_factory=MilvusSettings)
    parts: tuple[RetrieverSettings, ...] = ()
    fusion: FusionSettings = field(default_factory=FusionSettings)

    def __post_init__(self) -> None:
        for name, allowed in (("kind", KINDS), ("index", INDEXES), ("engine", ENGINES), ("stemmer", STEMMERS)):
            _check_name(name, getattr(self, name), allowed)
        if not self.model:
            if self.kind == "dual":
                raise _wrong("model", "the folder of a trained dual encoder, as kind is dual", "none")
            by = self.milvus.method if self.kind == "milvus" else self.kind
            object.__setattr__(self, "model", SENTENCE_MODEL if by in ("dense", "lsh") else CLIP_MODEL)
        for name in ("batch_size", "workers", "shards"):
            if getattr(self, name) < 1:
                raise _wrong(name, "at least 1", getattr(self, name))
        if self.vector_cache < 0:
            raise _wrong("vector_cache", "0 or more", self.vector_cache)
        if not self.k1 >= 0:
            raise _wrong("k1", "0 or more", self.k1)
        for name in ("b", "image_weight"):
            if not 0 <= getattr(self, name) <= 1:
                raise _wrong(name, "0 to 1", getattr(self, name))
        if self.kind == "lsh" and self.index not in ("flat", "lsh"):
            raise _wrong("index", "lsh, as kind is lsh", self.index)
        if self.kind == "milvus":
            self._check_milvus()
        self._check_parts()

    @property
    def finder(self) -> IndexSettings | None:
        """Settings of what finds candidates; None where the search is exact."""
        match "lsh" if self.kind == "lsh" else self.index:
            case "ivf":
                return self.ivf
            case "hnsw":
                return self.hnsw
            case "lsh-faiss":
                return self.lsh_faiss
            case "lsh":
                return self.lsh
        return None

    def _check_milvus(self) -> None:
        if not self.milvus.url:
            raise _wrong("milvus.url", "milvus:FOLDER.db or milvus:http://HOST:PORT, as kind is milvus", "none")
        if self.index not in ("flat", "ivf", "hnsw"):
            raise _wrong("index", "flat, ivf or hnsw, as kind is milvus", self.index)

    def _check_parts(self) -> None:
        if self.kind != "hybrid":
            if self.parts:
                raise _wrong("parts", "none, as only kind hybrid has them", len(self.parts))
            return
        if len(self.parts) < 2:
            raise _wrong("parts", "two or more retrievers", len(self.parts))
        if self.fusion.weights and len(self.fusion.weights) != len(self.parts):
            raise _wrong("fusion.weights", f"one for each of {len(self.parts)} parts", len(self.fusion.weights))


def _check_name(name: str, value: str, allowed: Sequence[str]) -> None:
    if value not in allowed:
        problem = f"expected {' or '.join(allowed)}, got {value!r}{nearest(str(value), allowed)}"
        raise ConfigError(message(f"retriever.{name}", problem, "correct the name"))


def _wrong(name: str, expected: str, got: object) -> ConfigError:
    return ConfigError(message(f"retriever.{name}", f"expected {expected}, got {got}", "correct the value"))
