"""What flows through the expansion graph: a batch of questions as plain data, and the live objects beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol, TypedDict

from raqo.agents.captioner import Captioned
from raqo.graphs.expansion_scores import Feedback
from raqo.graphs.expansion_settings import ExpansionSettings
from raqo.protocols import Expander, Resolution, Resolver, Retriever
from raqo.records import Cost, Failure, FailureKind, Hit, Query, Ranking


class Candidate(TypedDict, total=False):
    """An expansion on its way: proposed (`text`, `round`), then searched and scored without ground truth.

    `hits` holds ``[doc_id, score]`` rows, best first. The empty text stands for the question without expansion.
    """

    text: str
    round: int
    score: float
    hits: list[list[Any]]


class Case(TypedDict):
    """One question in the graph.

    Attributes:
        context: ids of the passages that expansions are generated from, best first.
        pending: expansions to score.
        tried: all that were scored, in the order tried.
        window: the best of them, best first; places in `tried`.
        open: whether another round is due.
        hits: of the final search.
    """

    query_id: str
    text: str
    image: str | None
    caption: str
    resolution: dict[str, Any]
    context: list[str]
    pending: list[Candidate]
    tried: list[Candidate]
    window: list[int]
    best: float
    round: int
    open: bool
    hits: list[list[Any]]
    failures: list[dict[str, Any]]
    cost: dict[str, int]


class ExpansionState(TypedDict):
    """The batch."""

    cases: list[Case]


class Describer(Protocol):
    """Puts pictures into words, such as `raqo.agents.captioner.Captioner`."""

    def caption(self, paths: Sequence[str]) -> list[Captioned]:
        """Describe each picture, in the order given."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """The live objects of a run. None of them knows an answer or which passage a question is looking for.

    Attributes:
        texts: document id -> passage, for every document of the retriever.
        describer: for pictures without a caption; without it nothing is known of them.
        k: hits to return for each question.
    """

    retriever: Retriever
    texts: Mapping[str, str]
    resolver: Resolver
    expander: Expander
    feedback: Feedback
    settings: ExpansionSettings
    describer: Describer | None = None
    k: int = 10


@dataclass(frozen=True, slots=True)
class ScoredExpansion:
    """An expansion that was tried: its round (0 for generation) and its score without ground truth."""

    text: str
    round: int
    score: float
    ranking: Ranking


@dataclass(frozen=True, slots=True)
class ExpansionResult:
    """What the loop did with one question.

    Attributes:
        query: the question as it came.
        caption: what the loop was told about the picture.
        resolution: what the question was taken to ask about.
        expansion: the best expansion; empty where none beats the question alone.
        tried: all expansions, in the order tried.
        window: the best ones, best first.
        rounds: optimisation rounds.
        ranking: of the final search.
        failures: answers that did not come.
        cost: of the question.
    """

    query: Query
    caption: str
    resolution: Resolution
    expansion: str
    tried: tuple[ScoredExpansion, ...]
    window: tuple[str, ...]
    rounds: int
    ranking: Ranking
    failures: tuple[Failure, ...]
    cost: Cost


def start_state(queries: Sequence[Query], captions: Sequence[str]) -> ExpansionState:
    """The input of the graph for a batch of questions."""
    return {"cases": [_start(query, caption) for query, caption in zip(queries, captions, strict=True)]}


def _start(query: Query, caption: str) -> Case:
    return Case(
        query_id=query.query_id,
        text=query.text,
        image=query.image,
        caption=caption,
        resolution={},
        context=[],
        pending=[],
        tried=[],
        window=[],
        best=0.0,
        round=0,
        open=True,
        hits=[],
        failures=[],
        cost=asdict(Cost()),
    )


def query_of(case: Case) -> Query:
    """The question as it came."""
    return Query(case["query_id"], case["text"], case["image"])


def resolution_of(case: Case) -> Resolution:
    """What it asks about; the question itself before it is resolved."""
    if not case["resolution"]:
        return Resolution(case["text"])
    row = case["resolution"]
    implicit = tuple((keyword, likelihood) for keyword, likelihood in row["implicit"])
    return Resolution(row["text"], implicit, tuple(row["pointing"]))


def resolution_row(resolution: Resolution) -> dict[str, Any]:
    """The opposite of `resolution_of`."""
    implicit = [[keyword, float(likelihood)] for keyword, likelihood in resolution.implicit]
    return {"text": resolution.text, "implicit": implicit, "pointing": list(resolution.pointing)}


def to_rows(ranking: Ranking) -> list[list[Any]]:
    """A ranking as plain data."""
    return [[hit.doc_id, float(hit.score)] for hit in ranking.hits]


def to_ranking(query_id: str, rows: Sequence[Sequence[Any]]) -> Ranking:
    """The opposite of `to_rows`."""
    return Ranking(query_id, tuple(Hit(doc_id, score) for doc_id, score in rows))


def charged(case: Case, answer: object, cost: Cost) -> Case:
    """The case with what an answer took, and with its failure if it is one."""
    summed = {name: value + getattr(cost, name) for name, value in case["cost"].items()}
    failed = [asdict(answer)] if isinstance(answer, Failure) else []
    return {**case, "cost": summed, "failures": [*case["failures"], *failed]}


def to_result(case: Case) -> ExpansionResult:
    """Read the outcome of a finished case."""
    identity = case["query_id"]
    tried = tuple(
        ScoredExpansion(one["text"], one["round"], one["score"], to_ranking(identity, one["hits"]))
        for one in case["tried"]
    )
    window = tuple(case["tried"][at]["text"] for at in case["window"])
    return ExpansionResult(
        query=query_of(case),
        caption=case["caption"],
        resolution=resolution_of(case),
        expansion=window[0] if window else "",
        tried=tried,
        window=window,
        rounds=case["round"],
        ranking=to_ranking(identity, case["hits"]),
        failures=tuple(Failure(**{**row, "kind": FailureKind(row["kind"])}) for row in case["failures"]),
        cost=Cost(**case["cost"]),
    )
