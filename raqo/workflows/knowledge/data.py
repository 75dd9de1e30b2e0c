"""The questions of a knowledge task and their passages, each read once when they are first needed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from raqo.config import KnowledgeTaskSettings
from raqo.errors import ConfigError, message
from raqo.evaluation.pseudo_relevance import PseudoRelevance, answers_of
from raqo.preference_data.sources.knowledge import distinct_passages, load_knowledge
from raqo.preference_data.sources.knowledge_settings import KnowledgeSettings
from raqo.records import Document, KnowledgeDataset
from raqo.workflows.knowledge.passage_file import passages_of_benchmark
from raqo.workflows.parts import Parts


@dataclass
class KnowledgeData:
    """What the section ``knowledge`` of a configuration names.

    Attributes:
        parts: of the run.
    """

    parts: Parts

    @property
    def settings(self) -> KnowledgeTaskSettings:
        """The section.

        Raises:
            ConfigError: it is not there.
        """
        if self.parts.config.knowledge is None:
            fix = "add one that names questions and passages under 'evaluate'"
            raise ConfigError(message("knowledge", "the section is not there", fix))
        return self.parts.config.knowledge

    @property
    def mode(self) -> PseudoRelevance:
        """Which passages count as right."""
        return self.settings.relevance

    @cached_property
    def test(self) -> KnowledgeDataset:
        """What is measured.

        Raises:
            ConfigError, DataError: it cannot be used, or lacks the form of answers that is looked for.
        """
        return self._load(self.settings.evaluate)

    @cached_property
    def train(self) -> KnowledgeDataset | None:
        """What preferences are logged on, if anything; raises as `test`."""
        return self._load(self.settings.train, self.test.documents) if self.settings.train else None

    def passages(self, settings: KnowledgeSettings) -> Sequence[Document]:
        """The passages that a part of the section names, without reading its questions where they have a file.

        Raises:
            ConfigError, DataError: they cannot be used.
        """
        if settings.benchmark == "sample":
            return self._load(settings).documents
        named = passages_of_benchmark(self.parts, settings)
        return tuple(distinct_passages(settings)) if named is None else named

    def _load(self, settings: KnowledgeSettings, documents: Sequence[Document] | None = None) -> KnowledgeDataset:
        named = passages_of_benchmark(self.parts, settings)
        if named is not None:
            settings, documents = replace(settings, passages=None), named
        cache_dir = Path(self.parts.config.cache_dir)
        dataset = load_knowledge(settings, cache_dir=cache_dir, documents=documents)
        for question in dataset.questions:
            answers_of(question, self.mode.answers)
        return dataset
