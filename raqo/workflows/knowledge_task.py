"""The live parts of the knowledge task, each built once when it is first needed."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from raqo.errors import ConfigError, message
from raqo.evaluation.pseudo_relevance import PerQuestion, PseudoRelevance, score_rankings
from raqo.graphs.expansion_scores import Agreement
from raqo.graphs.expansion_settings import ExpansionSettings
from raqo.graphs.expansion_state import ExpansionResult
from raqo.preference_data.sources.settings import SourceSettings
from raqo.protocols import Expander, Resolver, Retriever
from raqo.records import KnowledgeDataset, Query, Ranking
from raqo.sample.knowledge import knowledge_dataset
from raqo.workflows.parts import SAMPLE, Parts
from raqo.workflows.progress import say

# hits searched for each question; the metrics look at the first five
DEPTH = 10


@dataclass
class KnowledgeTask:
    """Questions, passages, retriever and loop of a configuration.

    Attributes:
        parts: of the run.
        mode: which passages count as relevant.
        seconds: by stage.
    """

    parts: Parts
    mode: PseudoRelevance = field(default_factory=PseudoRelevance)
    seconds: dict[str, float] = field(default_factory=dict)

    @cached_property
    def train(self) -> KnowledgeDataset:
        """What preferences are logged on."""
        return self._load(self.parts.config.data.train)

    @cached_property
    def test(self) -> KnowledgeDataset:
        """What is measured."""
        return self._load(next(iter(self.parts.config.data.evaluate.values())))

    @cached_property
    def retriever(self) -> Retriever:
        """Over the passages, which all splits share."""
        return self.parts.gallery(self.test.documents)

    @cached_property
    def texts(self) -> dict[str, str]:
        """Passages by id."""
        return {document.doc_id: document.text or "" for document in self.test.documents}

    @cached_property
    def resolver(self) -> Resolver:
        """The built-in one."""
        from raqo.agents.caption_resolver import CaptionResolver

        return CaptionResolver(self.parts.text_encoder, settings=self.parts.config.resolver)

    @cached_property
    def expander(self) -> Expander:
        """The built-in one."""
        from raqo.agents.feedback_expander import FeedbackExpander

        say("knowledge: encoding the words of the passages")
        return FeedbackExpander(self.texts.values(), self.parts.text_encoder, settings=self.parts.config.feedback)

    @cached_property
    def agreement(self) -> Agreement:
        """Scores expansions without ground truth."""
        return Agreement(self.parts.text_encoder, self.texts, depth=self.parts.config.expansion.score_depth)

    def expand(
        self,
        dataset: KnowledgeDataset,
        captions: Sequence[str],
        *,
        settings: ExpansionSettings | None = None,
        expander: Expander | None = None,
    ) -> list[ExpansionResult]:
        """Run the loop; it gets questions and captions and nothing else of the data."""
        # langgraph takes a second to import
        from raqo.graphs.expansion import expand_queries

        return expand_queries(
            [question.query for question in dataset.questions],
            captions,
            retriever=self.retriever,
            texts=self.texts,
            resolver=self.resolver,
            expander=expander or self.expander,
            feedback=self.agreement,
            settings=settings or self.parts.config.expansion,
            k=DEPTH,
        )

    def search(self, wordings: Sequence[str]) -> list[Ranking]:
        """Search the test questions in other words."""
        pairs = zip(self.test.questions, wordings, strict=True)
        return self.retriever.search([Query(question.query.query_id, text) for question, text in pairs], k=DEPTH)

    def measure(self, rankings: Sequence[Ranking]) -> PerQuestion:
        """Measure rankings of the test questions."""
        return score_rankings(self.test.questions, rankings, self.texts, mode=self.mode, ks=(1, 5, 10))

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Add the time that passes to a stage."""
        started = time.monotonic()
        yield
        self.seconds[name] = round(self.seconds.get(name, 0.0) + time.monotonic() - started, 1)

    def _load(self, source: SourceSettings) -> KnowledgeDataset:
        if source.path != SAMPLE:
            problem = f"the knowledge task is the sample's, got {source.path!r}"
            fix = "use path: sample; for your own questions call raqo.graphs.expansion.expand_queries"
            raise ConfigError(message("data", problem, fix))
        cache = Path(source.cache or self.parts.config.cache_dir)
        return knowledge_dataset(source.split, cache_dir=cache, seed=source.seed, limit=source.limit)
