"""MPADE as a graph (RAQO, Figure 3): judge queries by their targets' ranks, optimise the ambiguous, perturb the others.

One run of the graph takes a batch of queries through all its rounds; retriever, encoder and reviewer are called once
per step for the whole batch. Several batches may be in flight, so that the answers one of them waits for hold up no
other. Finished traces go to a sink: an interrupted run loses no more than the batches in flight.
"""

from __future__ import annotations

import functools
import threading
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph

from raqo import __version__
from raqo.errors import DataError, message
from raqo.graphs.failure_rate import FailureRate
from raqo.graphs.in_flight import run_in_flight
from raqo.graphs.mining_nodes import finish, judge, perturb, retrieve, review, route
from raqo.graphs.mining_state import Case, Context, MiningState, start_case
from raqo.graphs.settings import MiningSettings
from raqo.graphs.text_cosine import TextCosine
from raqo.protocols import Perturber, Retriever, Reviewer, TextEncoder, TraceSink
from raqo.records import Cost, Origin, Provenance, Query, RetrievalDataset


@dataclass(frozen=True, slots=True)
class MiningReport:
    """What a run did; the data themselves are in the sink.

    Attributes:
        queries: queries mined in this run.
        skipped: queries that were done before.
        verdicts: queries of this run by the verdict on their raw wording.
        accepted: accepted rewrites of ambiguous queries.
        solved: ambiguous queries with at least one accepted rewrite.
        perturbed: unambiguous queries with an accepted perturbation.
        failures: failed queries by kind.
        cost: what the traces of this run took; retriever queries count searches and similarities, repeats included.
        seconds: wall time by stage, summed over the batches in flight.
    """

    queries: int
    skipped: int
    verdicts: Mapping[str, int]
    accepted: int
    solved: int
    perturbed: int
    failures: Mapping[str, int]
    cost: Cost
    seconds: Mapping[str, float]


def mine(
    dataset: RetrievalDataset,
    *,
    retriever: Retriever,
    reviewer: Reviewer,
    perturber: Perturber,
    text_encoder: TextEncoder,
    sink: TraceSink,
    done: Collection[tuple[str, str]] = frozenset(),
    settings: MiningSettings | None = None,
    asks_chat: bool = False,
    code_version: str = __version__,
    progress: Callable[[int], None] | None = None,
) -> MiningReport:
    """Mine a data set and write one trace per query and origin.

    A query gives an OPTIMIZE trace (without attempts unless it is ambiguous), and a PERTURB trace before it if it was
    perturbed. What a query gives does not depend on the other queries, nor on the batches and how many are in flight.
    After an error no batch begins; those in flight end, are written, and then the error is raised.

    Args:
        dataset: queries with a text, and their targets.
        retriever: the retriever whose preferences are wanted; one call at a time.
        reviewer: proposes rewrites of ambiguous queries; may be called by several batches at once.
        perturber: proposes rare wordings of unambiguous queries; may be called by several batches at once.
        text_encoder: compares wordings with the original query; one call at a time.
        sink: takes the traces, batch by batch as they end; one call at a time.
        done: (query id, origin) of the traces that are on disk already; these queries are skipped.
        settings: thresholds and bounds.
        asks_chat: the reviewer waits for a chat model; decides the batches where the settings do not.
        code_version: for provenance.
        progress: called with the number of queries finished since its last call, as batches end.

    Raises:
        DataError: a query has no text or no target.
        FailureRateError: too many reviews or perturbations failed.
    """
    settings = settings or MiningSettings()
    _check(dataset)
    finished = frozenset((query_id, str(origin)) for query_id, origin in done)
    queries = [query for query in dataset.queries if (query.query_id, Origin.OPTIMIZE.value) not in finished]
    provenance = _provenance(retriever, reviewer, settings.seed, code_version)
    lock, failure_rate = threading.Lock(), FailureRate(settings.max_failure_rate, work="mining")

    def mine_batch(batch: list[Query]) -> _Ended:
        context = Context(
            retriever=retriever,
            reviewer=reviewer,
            perturber=perturber,
            text_cosine=TextCosine(text_encoder),
            sink=sink,
            done=finished,
            settings=settings,
            provenance=provenance,
            lock=lock,
            failure_rate=failure_rate,
            seconds={},
        )
        return _Ended(len(batch), _counted(_run(batch, dataset, context)), context.seconds)

    size, in_flight = settings.flow(asks_chat=asks_chat)
    batches = (queries[start : start + size] for start in range(0, len(queries), size))
    counts = Counter[str]()
    seconds: dict[str, float] = {}
    for ended in run_in_flight(mine_batch, batches, limit=in_flight):
        counts.update(ended.counts)
        seconds = {stage: seconds.get(stage, 0.0) + ended.seconds.get(stage, 0.0) for stage in seconds | ended.seconds}
        if progress:
            progress(ended.queries)
    return _report(counts, seconds, queries=len(queries), skipped=len(dataset.queries) - len(queries))


@dataclass(frozen=True, slots=True)
class _Ended:
    """What is left of a batch when its traces are written."""

    queries: int
    counts: Counter[str]
    seconds: dict[str, float]


def _provenance(retriever: Retriever, reviewer: Reviewer, seed: int, code_version: str) -> Provenance:
    return Provenance(
        retriever=retriever.fingerprint,
        gallery_size=retriever.size,
        reviewer=reviewer.name,
        prompt_hash=reviewer.prompt_hash,
        seed=seed,
        code_version=code_version,
    )


def _check(dataset: RetrievalDataset) -> None:
    for query in dataset.queries:
        where = f"{dataset.name}/{dataset.split}: query {query.query_id!r}"
        if not query.text.strip():
            raise DataError(message(where, "has no text to rewrite", "mine the side that has texts"))
        if not dataset.targets.get(query.query_id):
            raise DataError(message(where, "has no target", "drop it or give its relevant document"))


def _run(batch: list[Query], dataset: RetrievalDataset, context: Context) -> list[Case]:
    cases = [start_case(query, dataset.targets[query.query_id]) for query in batch]
    start: MiningState = {"cases": cases, "perturbed": False}
    # three steps a round, one round more for the raw queries, one for the perturbations
    limit = 3 * (context.settings.max_rounds + 2) + 2
    ended: dict[str, Any] = _graph().invoke(start, {"recursion_limit": limit}, context=context)
    return list(ended["cases"])


def _counted(cases: list[Case]) -> Counter[str]:
    counts = Counter[str]()
    for case in cases:
        counts.update({f"cost {name}": value for name, value in case["cost"].items()})
        if case["failure"]:
            counts[f"failure {case['failure']['kind']}"] += 1
        accepted = sum(row["accepted"] for row in case["attempts"])
        if case["origin"] == Origin.PERTURB:
            counts["perturbed"] += accepted
        else:
            counts.update({f"verdict {case['raw']['verdict']}": 1, "accepted": accepted, "solved": bool(accepted)})
    return counts


def _report(counts: Counter[str], seconds: dict[str, float], *, queries: int, skipped: int) -> MiningReport:
    def named(group: str) -> dict[str, int]:
        return {key.removeprefix(group): counts[key] for key in sorted(counts) if key.startswith(group)}

    return MiningReport(
        queries=queries,
        skipped=skipped,
        verdicts=named("verdict "),
        accepted=counts["accepted"],
        solved=counts["solved"],
        perturbed=counts["perturbed"],
        failures=named("failure "),
        cost=Cost(**named("cost ")),
        seconds=seconds,
    )


def build_graph() -> CompiledStateGraph[MiningState, Context, MiningState, MiningState]:
    """Draw the graph and compile it, without a checkpointer: the trace log is what a run resumes from."""
    graph = StateGraph(MiningState, context_schema=Context)
    graph.add_node("retrieve", retrieve)
    graph.add_node("judge", judge)
    graph.add_node("review", review)
    graph.add_node("perturb", perturb)
    graph.add_node("finish", finish)
    graph.add_edge(START, "retrieve")
    graph.add_edge("retrieve", "judge")
    graph.add_conditional_edges("judge", route, ["perturb", "review", "finish"])
    graph.add_edge("perturb", "retrieve")
    graph.add_edge("review", "retrieve")
    graph.add_edge("finish", END)
    return graph.compile(name="mining")


_graph = functools.cache(build_graph)
