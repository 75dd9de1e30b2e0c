"""The live parts of a knowledge task, each built once when it is first needed."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property

from raqo.config import RunConfig
from raqo.evaluation.pseudo_relevance import PerQuestion, score_rankings
from raqo.graphs.expansion_settings import ExpansionSettings
from raqo.graphs.expansion_state import Describer, ExpansionResult
from raqo.graphs.failure_rate import FailureRate
from raqo.protocols import Chat, Expander, Resolver
from raqo.records import KnowledgeDataset, Query, Ranking
from raqo.workflows.knowledge.captions import captions_of, keyword_describer, undescribed
from raqo.workflows.knowledge.corpus import Corpus
from raqo.workflows.knowledge.data import KnowledgeData

# hits searched for each question; the metrics look at the first five
DEPTH = 10


@dataclass
class KnowledgeTask:
    """The loop of a configuration over its questions.

    Attributes:
        data: questions and passages.
        chat: the chat model, where one is asked.
        seconds: by stage.
        failures: answers that did not come, by kind.
    """

    data: KnowledgeData
    chat: Chat | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    failures: Counter[str] = field(default_factory=Counter)

    @property
    def config(self) -> RunConfig:
        """Of the run."""
        return self.data.parts.config

    @cached_property
    def corpus(self) -> Corpus:
        """The passages of what is measured."""
        return Corpus(self.data.parts, self.data.test.documents)

    @cached_property
    def train_corpus(self) -> Corpus:
        """The passages that the training questions search; most often the same."""
        train, test = self.data.train, self.data.test
        shared = train is None or train.documents == test.documents
        return self.corpus if train is None or shared else Corpus(self.data.parts, train.documents)

    @cached_property
    def captions(self) -> list[str]:
        """What is known of the pictures that are measured."""
        return self._captions(self.data.test)

    @cached_property
    def train_captions(self) -> list[str]:
        """What is known of the training pictures."""
        return self._captions(self.data.train) if self.data.train else []

    @cached_property
    def keywords(self) -> Describer | None:
        """The CLIP model of the configuration, if it names one."""
        settings, train = self.data.settings.keywords, self.data.train
        return keyword_describer(self.data.parts, settings, train.questions if train else ()) if settings else None

    @cached_property
    def resolver(self) -> Resolver:
        """Who says what a question asks about."""
        if self._asked is not None:
            from raqo.agents.chat_resolver import ChatResolver, ChatResolverSettings

            return ChatResolver(self._asked, settings=ChatResolverSettings(seed=self.config.seed))
        from raqo.agents.caption_resolver import CaptionResolver

        return CaptionResolver(self.data.parts.text_encoder, settings=self.config.resolver)

    def expander(self, corpus: Corpus) -> Expander:
        """Who proposes expansions."""
        if self._asked is None:
            return corpus.expander
        from raqo.agents.expander import ChatExpander, ExpanderSettings

        return ChatExpander(self._asked, settings=ExpanderSettings(seed=self.config.seed))

    def expand(
        self,
        queries: Sequence[Query],
        captions: Sequence[str],
        *,
        corpus: Corpus,
        settings: ExpansionSettings | None = None,
        expander: Expander | None = None,
    ) -> Iterator[list[ExpansionResult]]:
        """Run the loop, batch by batch; it gets questions and captions and nothing else of the data.

        Raises:
            FailureRateError: too many answers failed.
        """
        # langgraph takes a second to import
        from raqo.graphs.expansion import expand_queries

        settings = settings or self.config.expansion
        rate = FailureRate(self.config.mining.max_failure_rate, work="expanding questions")
        for start in range(0, len(queries), settings.batch_size):
            part = slice(start, start + settings.batch_size)
            results = expand_queries(
                queries[part],
                captions[part],
                retriever=corpus.retriever,
                texts=corpus.texts,
                resolver=self.resolver,
                expander=expander or self.expander(corpus),
                feedback=corpus.agreement,
                settings=settings,
                k=DEPTH,
            )
            self.failures.update(failure.kind.value for one in results for failure in one.failures)
            rate.add(answer for one in results for answer in _answers(one))
            yield results

    def search(self, wordings: Sequence[str]) -> list[Ranking]:
        """Search the test questions in other words."""
        pairs = zip(self.data.test.questions, wordings, strict=True)
        queries = [Query(question.query.query_id, text) for question, text in pairs]
        return self.corpus.retriever.search(queries, k=DEPTH)

    def measure(self, rankings: Sequence[Ranking]) -> PerQuestion:
        """Measure rankings of the test questions."""
        return score_rankings(self.data.test.questions, rankings, self.corpus.texts, mode=self.data.mode, ks=(1, 5, 10))

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Add the time that passes to a stage."""
        started = time.monotonic()
        yield
        self.seconds[name] = round(self.seconds.get(name, 0.0) + time.monotonic() - started, 1)

    @property
    def _asked(self) -> Chat | None:
        """The chat model, where it reads and expands the questions."""
        return self.chat if self.config.expander == "chat" else None

    def _captions(self, dataset: KnowledgeDataset) -> list[str]:
        describer = self._describer() if undescribed(dataset.questions) else None
        return captions_of(dataset, describer, max_failure_rate=self.config.mining.max_failure_rate)

    def _describer(self) -> Describer | None:
        if self.keywords is not None or self.chat is None or not self.chat.reads_images:
            return self.keywords
        from raqo.agents.captioner import Captioner, CaptionerSettings

        return Captioner(self.chat, settings=CaptionerSettings(seed=self.config.seed))


def _answers(result: ExpansionResult) -> list[object]:
    """One of the resolver, one of each phase: failures, and something for each that came."""
    came = max(0, result.rounds + 2 - len(result.failures))
    return [*result.failures, *([result] * came)]
