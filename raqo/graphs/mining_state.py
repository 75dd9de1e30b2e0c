"""What flows through the mining graph: a batch of queries as plain data, and the live objects beside it."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypedDict

from raqo.graphs.failure_rate import FailureRate
from raqo.graphs.settings import MiningSettings
from raqo.graphs.text_cosine import TextCosine
from raqo.protocols import Perturber, Retriever, Reviewer, TraceSink
from raqo.records import (
    Attempt,
    Cost,
    Failure,
    FailureKind,
    Hit,
    Origin,
    Provenance,
    Query,
    Ranking,
    Review,
    Trace,
    Verdict,
)


class Candidate(TypedDict, total=False):
    """A wording on its way: proposed (`text`, `concepts`), then retrieved (the rest).

    `hits` holds ``[doc_id, score]`` rows, best first; `rank` is ``None`` beyond the searched depth.
    """

    text: str
    concepts: list[str]
    rank: int | None
    similarity: float
    text_similarity: float
    hits: list[list[Any]]


class Case(TypedDict):
    """One query in the graph. Records lie here as plain dicts, see `to_trace`.

    Attributes:
        target: the relevant document that this case is about; empty until the first retrieval.
        current: the wording to review next, once retrieved.
        pending: wordings to retrieve.
        found: wordings retrieved and not judged yet.
        open: whether a review is due.
    """

    query_id: str
    text: str
    image: str | None
    targets: list[str]
    target: str
    origin: str
    round: int
    open: bool
    current: Candidate
    pending: list[Candidate]
    found: list[Candidate]
    raw: dict[str, Any]
    attempts: list[dict[str, Any]]
    reviews: list[dict[str, Any]]
    failure: dict[str, Any] | None
    cost: dict[str, int]


class MiningState(TypedDict):
    """The batch; `perturbed` says that the perturbation branch has run."""

    cases: list[Case]
    perturbed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """The live objects of one batch.

    Attributes:
        lock: of the run: retriever, sentence encoder and sink are called by one batch at a time. The models keep all
            cores busy by themselves, and need not be made for several threads.
        failure_rate: of the run.
        seconds: spent by this batch, by stage; the nodes add to it.
    """

    retriever: Retriever
    reviewer: Reviewer
    perturber: Perturber
    text_cosine: TextCosine
    sink: TraceSink
    done: frozenset[tuple[str, str]]
    settings: MiningSettings
    provenance: Provenance
    lock: threading.Lock
    failure_rate: FailureRate
    seconds: dict[str, float]


def start_case(query: Query, targets: tuple[str, ...]) -> Case:
    """A query before its first retrieval."""
    return Case(
        query_id=query.query_id,
        text=query.text,
        image=query.image,
        targets=list(targets),
        target="",
        origin=Origin.OPTIMIZE.value,
        round=0,
        open=False,
        current={},
        pending=[{"text": query.text, "concepts": []}],
        found=[],
        raw={},
        attempts=[],
        reviews=[],
        failure=None,
        cost=asdict(Cost()),
    )


def to_query(case: Case, text: str) -> Query:
    """The query of a case in another wording."""
    return Query(case["query_id"], text, case["image"])


def to_rows(ranking: Ranking, depth: int) -> list[list[Any]]:
    """The first hits of a ranking as plain data."""
    return [[hit.doc_id, float(hit.score)] for hit in ranking.hits[:depth]]


def to_ranking(case: Case) -> Ranking:
    """The hits of the current wording, without relevant documents other than the target: they are no negatives."""
    others = set(case["targets"]) - {case["target"]}
    hits = tuple(Hit(doc_id, score) for doc_id, score in case["current"]["hits"] if doc_id not in others)
    return Ranking(case["query_id"], hits)


def to_attempt(row: Mapping[str, Any]) -> Attempt:
    """Read an attempt from plain data."""
    return Attempt(**{**row, "concepts": tuple(row["concepts"]), "verdict": Verdict(row["verdict"])})


def to_review(row: Mapping[str, Any]) -> Review:
    """Read a review from plain data."""
    return Review(**{**row, "concepts": tuple(row["concepts"]), "rewrites": tuple(row["rewrites"])})


def to_trace(case: Case, provenance: Provenance) -> Trace:
    """The finished record of a case."""
    failure = case["failure"]
    return Trace(
        query_id=case["query_id"],
        target=case["target"],
        origin=Origin(case["origin"]),
        raw=to_attempt(case["raw"]),
        attempts=tuple(to_attempt(row) for row in case["attempts"]),
        reviews=tuple(to_review(row) for row in case["reviews"]),
        failure=Failure(**{**failure, "kind": FailureKind(failure["kind"])}) if failure else None,
        cost=Cost(**case["cost"]),
        provenance=provenance,
    )
