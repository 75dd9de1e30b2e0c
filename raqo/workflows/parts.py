"""The one place where a run's live parts are built from its configuration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Protocol, cast

from raqo.agents.chat.ledger import Ledger
from raqo.agents.lexicon import Lexicon, learn_lexicon
from raqo.config import RunConfig
from raqo.errors import ConfigError, message
from raqo.preference_data.sources import load_with_report
from raqo.preference_data.sources.settings import SourceSettings
from raqo.protocols import Chat, Retriever, TextEncoder
from raqo.records import Document, RetrievalDataset
from raqo.retrievers.build import Encoders, build_retriever, model_fingerprint
from raqo.retrievers.settings import RetrieverSettings
from raqo.sample.weights import BASE_LM_DIR, CLIP_DIR
from raqo.workflows.progress import say

SAMPLE = "sample"


class StoppableChat(Chat, Protocol):
    """A chat model whose calls can be stopped in good order, as all that `build_chat` makes."""

    def stop(self) -> None:
        """Start no further call; calls on their way end as usual, all others raise `StoppedError`."""
        ...


def answers_path(cache_dir: Path) -> Path:
    """Where the answers of chat models are kept, beside the other caches."""
    return cache_dir / "answers.sqlite"


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
        return _resolved(self.config.retriever)

    @property
    def base_model(self) -> Path:
        """The language model that training starts from."""
        return BASE_LM_DIR if self.config.training.model == SAMPLE else Path(self.config.training.model)

    @cached_property
    def encoders(self) -> Encoders:
        """The models of the retriever and of its parts."""
        return Encoders()

    @property
    def encoder_fingerprint(self) -> str:
        """What a rewriter is aligned to: model and weights, whatever the gallery."""
        return model_fingerprint(self.retriever_settings, self.encoders)

    @cached_property
    def text_encoder(self) -> TextEncoder:
        """The sentence encoder."""
        from raqo.preference_data.sentence_encoder import SentenceEncoder

        return SentenceEncoder(self.config.encoder)

    def dataset(self, name: str) -> RetrievalDataset:
        """Load ``train``, or an evaluation set by its name."""
        if name not in self._datasets:
            source = self.config.data.train if name == "train" else self.config.data.evaluate[name]
            if source is None:
                raise ConfigError(message("data.train", "no training data are named", "give their path"))
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
        index_dir = Path(self.config.cache_dir) / "indexes"
        return build_retriever(self.retriever_settings, documents, index_dir=index_dir, encoders=self.encoders)

    def chat(self, *, ledger: Ledger, cached: bool) -> StoppableChat:
        """The chat model of the configuration.

        Args:
            ledger: where its calls are written down.
            cached: use the answers of all runs, and keep new ones among them.
        """
        from raqo.agents.chat.build import build_chat

        if self.config.chat is None:
            raise ConfigError(message("chat", "the section is not there", "add one with preset and model"))
        cache = answers_path(Path(self.config.cache_dir)) if cached else None
        return cast(StoppableChat, build_chat(self.config.chat, ledger=ledger, cache=cache))

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


def _resolved(settings: RetrieverSettings) -> RetrieverSettings:
    """``sample`` stands for the shipped CLIP; parts of a hybrid are resolved too."""
    model = f"local-dir:{CLIP_DIR}" if settings.model == SAMPLE and settings.kind == "clip" else settings.model
    return replace(settings, model=model, parts=tuple(_resolved(part) for part in settings.parts))
