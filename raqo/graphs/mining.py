"""MPADE as a graph (RAQO, Figure 3): judge queries by their targets' ranks, optimise the ambiguous, perturb the others.

One run of the graph takes a batch of queries through all its rounds; retriever, encoder and reviewer are called once
per step for the whole batch. Finished traces go to a sink: an interrupted run loses no more than the batch in flight.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph

from raqo import __version__
from raqo.errors import DataError, message
from raqo.graphs.mining_nodes import finish, judge, perturb, retrieve, review, route
from raqo.graphs.mining_state import Case, Context, Meter, MiningState, start_case
from raqo.graphs.settings import MiningSettings
from raqo.graphs.text_cosine import TextCosine
from raqo.protocols import Perturber, Retriever, Reviewer, TextEncoder, TraceSink
from raqo.records import Origin, Provenance, Query, RetrievalDataset


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
        retriever_queries: searches and similarities asked for, repeats included.
        seconds: wall time by stage.
    """

    queries: int
    skipped: int
    verdicts: Mapping[str, int]
    accepted: int
    solved: int
    perturbed: int
    failures: Mapping[str, int]
    retriever_queries: int
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
    code_version: str = __version__,
    progress: Callable[[int], None] | None = None,
) -> MiningReport:
    """Mine a data set and write one trace per query and origin.

    A query gives an OPTIMIZE trace (without attempts unless it is ambiguous), and a PERTURB trace before it if it was
    perturbed. What a query gives does not depend on the other queries of its batch.

    Args:
        dataset: queries with a text, and their targets.
        retriever: the retriever whose preferences are wanted.
        reviewer: proposes rewrites of ambiguous queries.
        perturber: proposes rare wordings of unambiguous queries.
        text_encoder: compares wordings with the original query.
        sink: takes the traces, batch by batch, in the order of the queries.
        done: (query id, origin) of the traces that are on disk already; these queries are skipped.
        settings: thresholds and bounds.
        code_version: for provenance.
        progress: called with the number of queries finished since its last call.

    Raises:
        DataError: a query has no text or no target.
    """
    settings = settings or MiningSettings()
    _check(dataset)
    finished = frozenset((query_id, str(origin)) for query_id, origin in done)
    queries = [query for query in dataset.queries if (query.query_id, Origin.OPTIMIZE.value) not in finished]
    provenance = Provenance(
        retriever=retriever.fingerprint,
        gallery_size=retriever.size,
        reviewer=reviewer.name,
        prompt_hash=reviewer.prompt_hash,
        seed=settings.seed,
        code_version=code_version,
    )
    meter, counts = Meter(), Counter[str]()
    for start in range(0, len(queries), settings.batch_size):
        batch = queries[start : start + settings.batch_size]
        context = Context(
            retriever=retriever,
            reviewer=reviewer,
            perturber=perturber,
            text_cosine=TextCosine(text_encoder),
            sink=sink,
            done=finished,
            settings=settings,
            provenance=provenance,
            meter=meter,
        )
        for case in _run(batch, dataset, context):
            counts.update(_counted(case))
        if progress:
            progress(len(batch))
    return _report(counts, meter, queries=len(queries), skipped=len(dataset.queries) - len(queries))


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


def _counted(case: Case) -> list[str]:
    accepted = sum(row["accepted"] for row in case["attempts"])
    if case["origin"] == Origin.PERTURB:
        return ["perturbed"] * accepted
    failure = [f"failure {case['failure']['kind']}"] if case["failure"] else []
    return [f"verdict {case['raw']['verdict']}", *["accepted"] * accepted, *["solved"] * bool(accepted), *failure]


def _report(counts: Counter[str], meter: Meter, *, queries: int, skipped: int) -> MiningReport:
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
        retriever_queries=meter.retriever_queries,
        seconds=dict(meter.seconds),
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
