"""The one place where a run's live parts are built from its configuration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Protocol, cast

from raqo.agents.chat.ledger import Ledger
from raqo.agents.lexicon import Lexicon, LexiconProgress, learn_lexicon
from raqo.config import RunConfig
from raqo.errors import ConfigError, message
from raqo.preference_data.sources import load_with_report
from raqo.preference_data.sources.settings import SourceSettings
from raqo.protocols import Chat, Retriever, TextEncoder
from raqo.records import Document, OnError, RetrievalDataset
from raqo.retrievers.bm25.stored_passages import StoredPassages
from raqo.retrievers.build import Encoders, build_retriever, model_fingerprint
from raqo.retrievers.gallery import left_out
from raqo.retrievers.settings import RetrieverSettings
from raqo.sample.weights import CLIP_DIR
from raqo.workflows.knowledge.passage_file import passages_of_corpus
from raqo.workflows.progress import late_bar
from raqo.workflows.readable import require_readable, without

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
    _searchable: dict[str, tuple[RetrievalDataset, Retriever]] = field(default_factory=dict)

    @property
    def retriever_settings(self) -> RetrieverSettings:
        """The settings with ``sample`` resolved to the shipped model."""
        return _resolved(self.config.retriever)

    @cached_property
    def base_model(self) -> Path:
        """Folder of the language model that training starts from; a Hugging Face name is fetched where it is not kept.

        Raises:
            ConfigError: it is neither there nor to be had, or has no configuration or no safetensors.
        """
        from raqo.training.models import resolve_model

        return resolve_model(self.config.training.model)

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
        """Load ``train``, or an evaluation set by its name; a corpus that bm25 keeps on disk stays there."""
        if name not in self._datasets:
            source = self._source(name)
            corpus = passages_of_corpus(self, source)
            self._datasets[name] = self._load(name, source, corpus.stored if corpus else None)
        return self._datasets[name]

    def searchable(self, name: str) -> tuple[RetrievalDataset, Retriever]:
        """A data set and the retriever over its documents.

        Pictures that cannot be read end it or, with the data set's ``on_error: skip``, are in neither, and nor are the
        queries that look for nothing else.

        Raises:
            DataError: one cannot be read, or nothing is left.
        """
        if name not in self._searchable:
            dataset = self.dataset(name)
            retriever = self.gallery(dataset.documents, on_error=self._source(name).on_error)
            self._searchable[name] = without(dataset, left_out(retriever)), retriever
        return self._searchable[name]

    def read(self, name: str) -> RetrievalDataset:
        """Load it as `dataset`, but look at every entry, open every picture, hold them all, and write nothing.

        Raises:
            DataError: an entry or a picture cannot be read, or nothing is left.
        """
        source = self._source(name)
        return require_readable(self._load(name, source), source.on_error)

    def _source(self, name: str) -> SourceSettings:
        source = self.config.data.train if name == "train" else self.config.data.evaluate[name]
        if source is None:
            raise ConfigError(message("data.train", "no training data are named", "give their path"))
        return source

    def _load(self, name: str, source: SourceSettings, corpus: Sequence[Document] | None = None) -> RetrievalDataset:
        if source.path == SAMPLE and source.cache is None:
            source = replace(source, cache=self.config.cache_dir)
        with late_bar(f"draw {name}", "pictures") as drawn:
            dataset, _ = load_with_report(source, corpus=corpus, drawn=drawn)
        return replace(dataset, split=name)

    def gallery(self, documents: Sequence[Document], *, on_error: OnError = "fail") -> Retriever:
        """Index documents, or reuse their index; ``skip`` leaves out pictures that cannot be read."""
        if isinstance(documents, StoredPassages):
            return documents.retriever
        return build_retriever(
            self.retriever_settings,
            documents,
            index_dir=Path(self.config.cache_dir) / "indexes",
            encoders=self.encoders,
            on_error=on_error,
        )

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

    def lexicon(
        self, retriever: Retriever, dataset: RetrievalDataset, *, progress: LexiconProgress | None = None
    ) -> Lexicon:
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
            progress=progress,
        )


def _resolved(settings: RetrieverSettings) -> RetrieverSettings:
    """``sample`` stands for the shipped CLIP; parts of a hybrid are resolved too."""
    model = f"local-dir:{CLIP_DIR}" if settings.model == SAMPLE and settings.kind == "clip" else settings.model
    return replace(settings, model=model, parts=tuple(_resolved(part) for part in settings.parts))
