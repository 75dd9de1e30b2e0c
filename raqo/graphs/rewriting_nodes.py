"""The steps of the served graph: plain functions of a batch of queries and the live objects; none knows a target."""

from __future__ import annotations

from typing import Any

from langgraph.runtime import Runtime

from raqo.agents.prompts import one_line
from raqo.graphs.restoring import restored
from raqo.graphs.rewriting_state import (
    UNDECIDED,
    Context,
    RewritingState,
    patched,
    query_at,
    to_ranking,
    to_rows,
    undecided,
)
from raqo.graphs.verification import grounded, wording_reason
from raqo.records import KeptReason

Update = dict[str, Any]


def gate(state: RewritingState, runtime: Runtime[Context]) -> Update:
    """Search the queries as they came; keep those that the retriever understands already."""
    context, size = runtime.context, len(state["queries"])
    rankings = context.retriever.search([query_at(state, row) for row in range(size)], k=context.depth)
    return {
        "before": [to_rows(ranking) for ranking in rankings],
        "concepts": [[] for _ in range(size)],
        "rewrites": [""] * size,
        "after": [[] for _ in range(size)],
        "kept": [KeptReason.CONFIDENT.value if context.gate.passes(ranking) else UNDECIDED for ranking in rankings],
    }


def detect(state: RewritingState, runtime: Runtime[Context]) -> Update:
    """Ask which words confuse the retriever; without one the query is kept."""
    rows = undecided(state)
    texts = [query_at(state, row).text for row in rows]
    found = runtime.context.rewriter.detect(texts)
    concepts = [grounded(some or (), text) for some, text in zip(found, texts, strict=True)]
    without = [(KeptReason.NO_ANSWER if some is None else KeptReason.NO_CONCEPT).value for some in found]
    reasons = [UNDECIDED if some else reason for some, reason in zip(concepts, without, strict=True)]
    return {"concepts": patched(state["concepts"], rows, concepts), "kept": patched(state["kept"], rows, reasons)}


def rewrite(state: RewritingState, runtime: Runtime[Context]) -> Update:
    """Ask for a wording without those words; what is neither asked for nor in the query is undone."""
    rows = undecided(state)
    texts = [query_at(state, row).text for row in rows]
    answers = runtime.context.rewriter.rewrite(texts, [tuple(state["concepts"][row]) for row in rows], n=1)
    rewrites = [one_line(answer[0]) if answer else "" for answer in answers]
    if runtime.context.gate.restore_terms:
        concepts = [state["concepts"][row] for row in rows]
        rewrites = [restored(*parts) for parts in zip(texts, rewrites, concepts, strict=True)]
    return {"rewrites": patched(state["rewrites"], rows, rewrites)}


def verify(state: RewritingState, runtime: Runtime[Context]) -> Update:
    """Keep the queries whose rewrite is empty, unchanged, says more than was asked for, or is too long to be read."""
    rows, context = undecided(state), runtime.context
    fits = context.retriever.fits([state["rewrites"][row] for row in rows])
    reasons = [
        wording_reason(query_at(state, row).text, state["rewrites"][row], fits=fit, max_growth=context.gate.max_growth)
        for row, fit in zip(rows, fits, strict=True)
    ]
    return {"kept": patched(state["kept"], rows, [reason.value if reason else UNDECIDED for reason in reasons])}


def retrieve(state: RewritingState, runtime: Runtime[Context]) -> Update:
    """Search the rewrites that passed."""
    rows, context = undecided(state), runtime.context
    queries = [query_at(state, row, state["rewrites"][row]) for row in rows]
    rankings = context.retriever.search(queries, k=context.depth)
    return {"after": patched(state["after"], rows, [to_rows(ranking) for ranking in rankings])}


def confirm(state: RewritingState, runtime: Runtime[Context]) -> Update:
    """Take each rewrite, unless the retriever is clearly less confident about it than about the query."""
    rows, gate = undecided(state), runtime.context.gate
    accepted = [gate.accepts(to_ranking("", state["before"][row]), to_ranking("", state["after"][row])) for row in rows]
    reasons = [KeptReason.NONE if accept else KeptReason.LESS_CONFIDENT for accept in accepted]
    return {"kept": patched(state["kept"], rows, [reason.value for reason in reasons])}
