"""The rewriter as served: gate, detect (ReCoT step 1), rewrite (ReCoT step 2), verify, retrieve, confirm.

One detect call, one rewrite call and one search per stage serve a whole batch. Nothing here knows a target: the gate
and the checks use the wording and the retriever's own scores. Whenever in doubt the query stays as it came.
Source: RAQO, 'Retriever-adaptive Chain of Thought' (detect, rewrite); gate and checks are ours.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime

from raqo.graphs import rewriting_nodes as nodes
from raqo.graphs.gate import Gate
from raqo.graphs.rewriting_nodes import Update
from raqo.graphs.rewriting_state import (
    Context,
    RewritingInput,
    RewritingState,
    require_queries,
    start_state,
    to_result,
    undecided,
)
from raqo.protocols import Retriever, Rewriter
from raqo.records import Query, RewriteResult


class Node(Protocol):
    """A plain function of the state and the live objects."""

    def __call__(self, state: RewritingState, runtime: Runtime[Context]) -> Update:
        """Give the fields that change."""
        ...


@dataclass(frozen=True, slots=True)
class Step:
    """One finished node of the graph for one query.

    Attributes:
        name: ``gate``, ``detect``, ``rewrite``, ``verify``, ``retrieve`` or ``confirm``.
        update: what the node found, by field of `RewritingState`.
    """

    name: str
    update: Update


def rewrite_queries(
    queries: Sequence[Query], *, retriever: Retriever, rewriter: Rewriter, gate: Gate | None = None, k: int = 10
) -> list[RewriteResult]:
    """Rewrite a batch of queries where that promises to help, and search it.

    Args:
        queries: queries with a text; one without a text is searched as it is.
        retriever: the retriever that the rewriter was trained for.
        rewriter: the trained rewriter.
        gate: when to rewrite and when to keep a rewrite; default: no confidence threshold, no lost terms.
        k: hits to return for each query, before and after.

    Returns:
        One result per query, in the order given; each says why the query was kept, if it was.
    """
    if not queries:
        return []
    context = Context(retriever=retriever, rewriter=rewriter, gate=gate or Gate(), k=k)
    state = _compiled().invoke(start_state(queries), context=context)
    return [to_result(state, row, k) for row in range(len(queries))]


def stream_rewrite(
    query: Query, *, retriever: Retriever, rewriter: Rewriter, gate: Gate | None = None, k: int = 10
) -> Iterator[Step | RewriteResult]:
    """Do what `rewrite_queries` does for one query, giving each `Step` as it ends and the result last."""
    context = Context(retriever=retriever, rewriter=rewriter, gate=gate or Gate(), k=k)
    state: Update = dict(start_state([query]))
    for chunk in _compiled().stream(start_state([query]), context=context, stream_mode="updates"):
        for name, update in chunk.items():
            state.update(update)
            yield Step(name, {key: values[0] for key, values in update.items()})
    yield to_result(state, 0, k)


def bound(node: Node, context: Callable[[], Context]) -> Node:
    """Give a node its context where the caller cannot: a LangGraph server has JSON to pass, not live objects."""

    def with_context(state: RewritingState, runtime: Runtime[Context]) -> Update:
        require_queries(state)
        return node(state, runtime.override(context=context()))

    return with_context


def build_graph(
    context: Callable[[], Context] | None = None,
) -> CompiledStateGraph[RewritingState, Context, RewritingInput, RewritingState]:
    """Draw the graph and compile it, without a checkpointer.

    Args:
        context: makes the live objects when the first node runs, for a LangGraph server; without it the caller passes
            ``context=`` to ``invoke`` or ``stream``.
    """
    give = _once(context) if context else None
    graph = StateGraph(RewritingState, context_schema=None if give else Context, input_schema=RewritingInput)

    def add(name: str, node: Node) -> None:
        graph.add_node(name, bound(node, give) if give else node)

    def unless_done(following: str) -> Callable[[RewritingState], str]:
        return lambda state: following if undecided(state) else END

    add("gate", nodes.gate)
    add("detect", nodes.detect)
    add("rewrite", nodes.rewrite)
    add("verify", nodes.verify)
    add("retrieve", nodes.retrieve)
    add("confirm", nodes.confirm)
    graph.add_edge(START, "gate")
    graph.add_conditional_edges("gate", unless_done("detect"), ["detect", END])
    graph.add_conditional_edges("detect", unless_done("rewrite"), ["rewrite", END])
    graph.add_edge("rewrite", "verify")
    graph.add_conditional_edges("verify", unless_done("retrieve"), ["retrieve", END])
    graph.add_edge("retrieve", "confirm")
    graph.add_edge("confirm", END)
    return graph.compile(name="rewriting")


def _once(make: Callable[[], Context]) -> Callable[[], Context]:
    made, lock = functools.cache(make), threading.Lock()

    def get() -> Context:
        with lock:  # a server's first two runs must not load the model twice
            return made()

    return get


@functools.cache
def _compiled() -> CompiledStateGraph[RewritingState, Context, RewritingInput, RewritingState]:
    return build_graph()
