"""The whole run as nested frozen dataclasses, read from YAML with dotted overrides. Loads no heavy library."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from raqo import config_loader
from raqo.agents.caption_resolver import CaptionResolverSettings
from raqo.agents.chat.settings import ChatSettings
from raqo.agents.feedback_expander import FeedbackExpanderSettings
from raqo.agents.lexicon import LexiconSettings
from raqo.agents.picture_keywords import KeywordSettings
from raqo.agents.reviewer import ReviewerSettings
from raqo.agents.rewriter import RewriterSettings
from raqo.errors import ConfigError, message
from raqo.evaluation.pseudo_relevance import PseudoRelevance
from raqo.evaluation.settings import EvaluationSettings
from raqo.graphs.expansion_settings import ExpansionSettings
from raqo.graphs.gate import Gate
from raqo.graphs.settings import MiningSettings
from raqo.preference_data.build import BuildSettings
from raqo.preference_data.sources.knowledge_settings import KnowledgeSettings
from raqo.preference_data.sources.settings import SourceSettings
from raqo.records import Direction, OnError
from raqo.retrievers.settings import RetrieverSettings
from raqo.training.dual.settings import DualSettings
from raqo.training.settings import TrainingSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSettings:
    """Which data are mined and which are evaluated on.

    Attributes:
        train: mined, and used to calibrate the gate. Never evaluated on. A run of questions about pictures has none.
        evaluate: held-out data by the name they have in the table.
    """

    train: SourceSettings | None = None
    evaluate: dict[str, SourceSettings] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PagesSettings:
    """Pages with pictures, for the VL-ICT run of a dual encoder.

    Attributes:
        wit: a table in WIT's format or a folder of its shards; ``sample`` for the sample world's encyclopedia.
        images: folder of the pictures, by the file names of their URLs.
        limit: pictures of the sample's encyclopedia.
        on_error: what a bad row does.
    """

    wit: str
    images: str = ""
    limit: int | None = None
    on_error: OnError = "fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class KnowledgeTaskSettings:
    """Questions about pictures that search passages (``raqo knowledge``).

    Attributes:
        evaluate: the questions that are measured, and their passages.
        train: the questions on which preferences are logged; without them none are. Where they name no passages, they
            search those of `evaluate`.
        relevance: which passages count as right.
        keywords: a CLIP model that names what is in pictures without a caption; without it a chat model describes them,
            where there is one.
        pages: what a dual encoder learns from before it sees questions (``raqo dual``).
    """

    evaluate: KnowledgeSettings
    train: KnowledgeSettings | None = None
    relevance: PseudoRelevance = field(default_factory=PseudoRelevance)
    keywords: KeywordSettings | None = None
    pages: PagesSettings | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunConfig:
    """Everything a run depends on; the resolved form is written into the run folder.

    Attributes:
        seed: of every random choice outside the data.
        gate_precision: share of right answers above the gate's threshold when it is calibrated on the training data;
            ``None`` takes `gate` as it is.
        knowledge: questions about pictures, in the place of `data`.
        expander: who reads the questions and proposes expansions in the loop over them: ``feedback``, which needs no
            language model, or ``chat``.
        expansion: the loop over questions about pictures (QueryFormer).
        resolver: how captions are read in that loop.
        feedback: how its built-in expander proposes words.
        dual: the dual encoder of ``raqo dual``; its seed is `seed`.
        directions: what is evaluated.
        ablations: also train ``qre`` without ``ccd``, and evaluate every stage and the untrained base; of the loop over
            questions, also evaluate it without each of its parts.
        reviewer: who reviews and perturbs in mining: ``lexical``, which needs no language model, or ``chat``.
        chat: the chat model and its server.
        review: how the chat model is asked; its seed is `seed`.
        encoder: sentence encoder of the pair filter: a folder, a hub name, or the default that comes with raqo.
        wordnet: folder of a WordNet database whose synonyms the lexicon may try, where it exists.
        cache_dir: indexes and drawn pictures, shared between runs.
    """

    data: DataSettings = field(default_factory=DataSettings)
    knowledge: KnowledgeTaskSettings | None = None
    retriever: RetrieverSettings = field(default_factory=RetrieverSettings)
    lexicon: LexiconSettings = field(default_factory=LexiconSettings)
    reviewer: Literal["lexical", "chat"] = "lexical"
    chat: ChatSettings | None = None
    review: ReviewerSettings = field(default_factory=ReviewerSettings)
    mining: MiningSettings = field(default_factory=MiningSettings)
    build: BuildSettings = field(default_factory=BuildSettings)
    training: TrainingSettings = field(default_factory=TrainingSettings)
    dual: DualSettings = field(default_factory=DualSettings)
    rewriter: RewriterSettings = field(default_factory=RewriterSettings)
    gate: Gate = field(default_factory=Gate)
    gate_precision: float | None = 0.98
    expander: Literal["feedback", "chat"] = "feedback"
    expansion: ExpansionSettings = field(default_factory=ExpansionSettings)
    resolver: CaptionResolverSettings = field(default_factory=CaptionResolverSettings)
    feedback: FeedbackExpanderSettings = field(default_factory=FeedbackExpanderSettings)
    evaluation: EvaluationSettings = field(default_factory=EvaluationSettings)
    directions: tuple[Direction, ...] = (Direction.T2I,)
    ablations: bool = False
    encoder: str = "all-MiniLM-L6-v2"
    wordnet: str | None = "/usr/share/wordnet"
    cache_dir: str = "runs/cache"
    seed: int = 0

    def __post_init__(self) -> None:
        if self.data.train is None and self.knowledge is None:
            raise ConfigError(message("data", "missing data.train", "name the training data, or a section 'knowledge'"))
        for name in ("reviewer", "expander"):
            if getattr(self, name) == "chat" and self.chat is None:
                problem = "is 'chat', and there is no section 'chat'"
                raise ConfigError(message(name, problem, "add one with preset and model"))
        if self.gate_precision is not None and not 0.5 <= self.gate_precision <= 1:
            problem = f"expected 0.5 to 1, got {self.gate_precision}"
            raise ConfigError(message("gate_precision", problem, "give e.g. 0.98, or null to switch it off"))


def load_config(source: str | Path, overrides: Sequence[str] = ()) -> RunConfig:
    """Read a YAML file and apply dotted overrides (``training.pro.learning_rate=1e-4``).

    Raises:
        ConfigError: unknown key (with the nearest valid name), wrong type, missing value, unreadable file.
    """
    return config_loader.load(RunConfig, source, overrides)


IfExists = Literal["fail", "resume", "replace"]
