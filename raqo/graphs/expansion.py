"""QueryFormer's loop over a text corpus: preprocess, retrieve, expand, score, keep, optimise, retrieve.

One call of resolver, expander and retriever per step serves a whole batch of questions. Nothing here knows an answer:
an expansion is scored by what the retriever says about it. Bounded by rounds; a question without a better expansion is
searched as it was resolved. Source: QueryFormer, Figure 1 and 'Implement details'; what it leaves open is ours.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph

from raqo.errors import DataError, message
from raqo.graphs import expansion_nodes as nodes
from raqo.graphs.expansion_nodes import Update
from raqo.graphs.expansion_scores import Feedback
from raqo.graphs.expansion_settings import ExpansionSettings
from raqo.graphs.expansion_state import Context, Describer, ExpansionResult, ExpansionState, start_state, to_result
from raqo.protocols import Expander, Resolver, Retriever
from raqo.records import Query


@dataclass(frozen=True, slots=True)
class Step:
    """One finished node of the graph for one question: its name, and the question's `Case` after it."""

    name: str
    update: Update


def expand_queries(
    queries: Sequence[Query],
    captions: Sequence[str],
    *,
    retriever: Retriever,
    texts: Mapping[str, str],
    resolver: Resolver,
    expander: Expander,
    feedback: Feedback,
    settings: ExpansionSettings | None = None,
    describer: Describer | None = None,
    k: int = 10,
    progress: Callable[[int], None] | None = None,
) -> list[ExpansionResult]:
    """Expand a batch of questions and search them.

    Args:
        queries: questions with a text, and a picture where there is one.
        captions: what each picture shows, in words or as a list of names; empty where nothing is known.
        retriever: searches the passages; term weights have an effect with bm25 only.
        texts: document id -> passage, for every document of the retriever.
        resolver: says what a question asks about.
        expander: proposes expansions.
        feedback: scores what they find, without ground truth.
        settings: numbers of the loop.
        describer: puts pictures into words where the caption is empty.
        k: hits to return for each question.
        progress: called with the number of questions finished since its last call.

    Returns:
        One result per question, in the order given. What it is does not depend on the other questions.

    Raises:
        DataError: a question has no text.
    """
    settings = settings or ExpansionSettings()
    _check(queries)
    context = Context(
        retriever=retriever,
        texts=texts,
        resolver=resolver,
        expander=expander,
        feedback=feedback,
        settings=settings,
        describer=describer,
        k=k,
    )
    results: list[ExpansionResult] = []
    for start in range(0, len(queries), settings.batch_size):
        part = slice(start, start + settings.batch_size)
        state: dict[str, Any] = _compiled().invoke(
            start_state(queries[part], captions[part]), {"recursion_limit": _limit(settings)}, context=context
        )
        results += [to_result(case) for case in state["cases"]]
        if progress:
            progress(len(state["cases"]))
    return results


def stream_expansion(query: Query, caption: str, context: Context) -> Iterator[Step | ExpansionResult]:
    """Do what `expand_queries` does for one question, giving each `Step` as it ends and the result last.

    Raises:
        DataError: the question has no text.
    """
    _check([query])
    case: Any = None
    for chunk in _compiled().stream(
        start_state([query], [caption]),
        {"recursion_limit": _limit(context.settings)},
        context=context,
        stream_mode="updates",
    ):
        for name, update in chunk.items():
            (case,) = update["cases"]
            yield Step(name, case)
    yield to_result(case)


def _check(queries: Sequence[Query]) -> None:
    for query in queries:
        if not query.text.strip():
            where = f"question {query.query_id!r}"
            raise DataError(message(where, "has no text to expand", "ask something about the picture"))


def _limit(settings: ExpansionSettings) -> int:
    """Steps of a run: three a round, and those before the first and after the last."""
    return 3 * (settings.max_rounds + 1) + 4


def build_graph() -> CompiledStateGraph[ExpansionState, Context, ExpansionState, ExpansionState]:
    """Draw the graph and compile it, without a checkpointer."""
    graph = StateGraph(ExpansionState, context_schema=Context)
    graph.add_node("preprocess", nodes.preprocess)
    graph.add_node("retrieve_context", nodes.retrieve_context)
    graph.add_node("generate", nodes.generate)
    graph.add_node("score", nodes.score)
    graph.add_node("keep", nodes.keep)
    graph.add_node("optimise", nodes.optimise)
    graph.add_node("retrieve", nodes.retrieve)
    graph.add_edge(START, "preprocess")
    graph.add_edge("preprocess", "retrieve_context")
    graph.add_edge("retrieve_context", "generate")
    graph.add_edge("generate", "score")
    graph.add_edge("score", "keep")
    graph.add_conditional_edges("keep", nodes.route, ["optimise", "retrieve"])
    graph.add_edge("optimise", "score")
    graph.add_edge("retrieve", END)
    return graph.compile(name="expansion")


_compiled = functools.cache(build_graph)
