"""The one place where a run's live parts are built from its configuration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from raqo.agents.lexicon import Lexicon, learn_lexicon
from raqo.config import RunConfig
from raqo.preference_data.sources import load_with_report
from raqo.preference_data.sources.settings import SourceSettings
from raqo.protocols import Encoder, Retriever, TextEncoder
from raqo.records import Document, RetrievalDataset
from raqo.retrievers.settings import RetrieverSettings
from raqo.sample.weights import BASE_LM_DIR, CLIP_DIR
from raqo.workflows.progress import say

SAMPLE = "sample"


@dataclass
class Parts:
    """Builds each part once, when it is first needed; galleries share one encoder and its cache.

    Attributes:
        config: of the run.
    """

    config: RunConfig
    _datasets: dict[str, RetrievalDataset] = field(default_factory=dict)

    @property
    def retriever_settings(self) -> RetrieverSettings:
        """The settings with ``sample`` resolved to the shipped model."""
        settings = self.config.retriever
        return replace(settings, model=f"local-dir:{CLIP_DIR}") if settings.model == SAMPLE else settings

    @property
    def base_model(self) -> Path:
        """The language model that training starts from."""
        return BASE_LM_DIR if self.config.training.model == SAMPLE else Path(self.config.training.model)

    @cached_property
    def encoder(self) -> Encoder | None:
        """The encoder of a clip retriever."""
        if self.config.retriever.kind != "clip":
            return None
        from raqo.retrievers.build import build_encoder

        return build_encoder(self.retriever_settings)

    @property
    def encoder_fingerprint(self) -> str:
        """What a rewriter is aligned to: model and weights, whatever the gallery."""
        settings = self.config.retriever
        return self.encoder.fingerprint if self.encoder else f"bm25-k1={settings.k1}-b={settings.b}"

    @cached_property
    def text_encoder(self) -> TextEncoder:
        """The sentence encoder."""
        from raqo.preference_data.sentence_encoder import SentenceEncoder

        return SentenceEncoder(self.config.encoder)

    def dataset(self, name: str) -> RetrievalDataset:
        """Load ``train``, or an evaluation set by its name."""
        if name not in self._datasets:
            source = self.config.data.train if name == "train" else self.config.data.evaluate[name]
            self._datasets[name] = self._load(name, source)
        return self._datasets[name]

    def _load(self, name: str, source: SourceSettings) -> RetrievalDataset:
        if source.path == SAMPLE and source.cache is None:
            source = replace(source, cache=self.config.cache_dir)
        dataset, report = load_with_report(source)
        for reason, count in report.skipped.items():
            say(f"{name}: left out {count} ({reason})")
        return replace(dataset, split=name)

    def gallery(self, documents: Sequence[Document]) -> Retriever:
        """Index documents, or reuse their index."""
        from raqo.retrievers.build import build_retriever

        index_dir = Path(self.config.cache_dir) / "indexes"
        return build_retriever(self.retriever_settings, documents, index_dir=index_dir, encoder=self.encoder)

    def lexicon(self, retriever: Retriever, dataset: RetrievalDataset) -> Lexicon:
        """What the retriever prefers to be told, learnt from the training queries."""
        from raqo.agents.vocabulary import Vocabulary, count_phrases
        from raqo.agents.wordnet import load_wordnet

        settings = self.config.lexicon
        counts = count_phrases((query.text for query in dataset.queries), max_words=settings.max_words)
        return learn_lexicon(
            [(query.text, dataset.targets[query.query_id][0]) for query in dataset.queries],
            retriever=retriever,
            vocabulary=Vocabulary(counts, self.text_encoder),
            wordnet=load_wordnet(Path(self.config.wordnet)) if self.config.wordnet else None,
            settings=settings,
        )
