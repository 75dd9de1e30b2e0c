"""The steps of the expansion graph: plain functions of a batch of questions and live objects; none knows an answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langgraph.runtime import Runtime

from raqo.agents.term_weights import weigh
from raqo.graphs.expansion_state import (
    Candidate,
    Case,
    Context,
    ExpansionState,
    charged,
    query_of,
    resolution_of,
    resolution_row,
    to_rows,
)
from raqo.protocols import Expanded, ExpansionCase, Resolved, TriedExpansion
from raqo.records import Failure, Hit, Ranking
from raqo.retrievers.fusion import reciprocal_rank_fusion
from raqo.retrievers.weighted_query import WeightedQuery

Update = dict[str, Any]


def preprocess(state: ExpansionState, runtime: Runtime[Context]) -> Update:
    """Say what each question asks about (QueryFormer, 'query rewriting'); without an answer it stays as it came."""
    cases = _described(state["cases"], runtime.context)
    resolved = runtime.context.resolver.resolve([query_of(case) for case in cases], [case["caption"] for case in cases])
    return {"cases": [_resolved(case, one) for case, one in zip(cases, resolved, strict=True)]}


def retrieve_context(state: ExpansionState, runtime: Runtime[Context]) -> Update:
    """Search the questions as resolved; the best passages are what expansions are generated from."""
    context = runtime.context
    queries = [_query(case, "", context) for case in state["cases"]]
    rankings = context.retriever.search(queries, k=context.settings.context_depth)
    context_ids = [[hit.doc_id for hit in ranking.hits] for ranking in rankings]
    return {"cases": [{**case, "context": ids} for case, ids in zip(state["cases"], context_ids, strict=True)]}


def generate(state: ExpansionState, runtime: Runtime[Context]) -> Update:
    """Ask for the first expansions. The question without any is tried beside them."""
    settings = runtime.context.settings
    shown = [_shown(case, runtime.context) for case in state["cases"]]
    expanded = runtime.context.expander.expand(
        shown, n=settings.expansions, temperature=settings.generation_temperature
    )
    pairs = zip(state["cases"], expanded, strict=True)
    return {"cases": [_queued(case, one, settings.expansions, ("",)) for case, one in pairs]}


def score(state: ExpansionState, runtime: Runtime[Context]) -> Update:
    """Search the question with each pending expansion, and score what comes back: one search for the batch."""
    context = runtime.context
    jobs = [(row, candidate) for row, case in enumerate(state["cases"]) for candidate in case["pending"]]
    queries = [_query(state["cases"][row], candidate["text"], context) for row, candidate in jobs]
    depth = max(context.settings.score_depth, context.settings.context_depth)
    rankings = context.retriever.search(queries, k=depth)
    questions = [resolution_of(state["cases"][row]).text for row, _ in jobs]
    scores = context.feedback(questions, queries, rankings)
    cases: list[Case] = [{**case, "pending": [], "tried": list(case["tried"])} for case in state["cases"]]
    for (row, candidate), ranking, value in zip(jobs, rankings, scores, strict=True):
        cases[row]["tried"].append({**candidate, "score": value, "hits": to_rows(ranking)})
    return {"cases": cases}


def keep(state: ExpansionState, runtime: Runtime[Context]) -> Update:
    """Keep the best expansions; a question goes on while its best score rises and rounds are left."""
    settings = runtime.context.settings
    return {"cases": [_kept(case, settings.window, settings.min_gain, settings.max_rounds) for case in state["cases"]]}


def optimise(state: ExpansionState, runtime: Runtime[Context]) -> Update:
    """Ask for better expansions of the open questions, given the best ones and what they found."""
    settings, cases = runtime.context.settings, list(state["cases"])
    rows = [row for row, case in enumerate(cases) if case["open"]]
    shown = [_shown(cases[row], runtime.context) for row in rows]
    expanded = runtime.context.expander.expand(
        shown, n=settings.refinements, temperature=settings.optimisation_temperature
    )
    for row, one in zip(rows, expanded, strict=True):
        cases[row] = _queued({**cases[row], "round": cases[row]["round"] + 1}, one, settings.refinements)
    return {"cases": cases}


def retrieve(state: ExpansionState, runtime: Runtime[Context]) -> Update:
    """Search with the best expansion, or fuse the searches of the whole window."""
    context = runtime.context
    fused = context.settings.fusion == "rrf"
    texts = [[case["tried"][at]["text"] for at in case["window"][: None if fused else 1]] for case in state["cases"]]
    queries = [_query(case, text, context) for case, own in zip(state["cases"], texts, strict=True) for text in own]
    depth = max(context.k, context.settings.fusion_depth) if fused else context.k
    found = iter(context.retriever.search(queries, k=depth))
    rankings = [[next(found) for _ in own] for own in texts]
    return {
        "cases": [
            {**case, "hits": to_rows(_fused(own, context.settings.rrf_k, context.k) if fused else own[0])}
            for case, own in zip(state["cases"], rankings, strict=True)
        ]
    }


def route(state: ExpansionState) -> str:
    """Optimise while a question is open."""
    return "optimise" if any(case["open"] for case in state["cases"]) else "retrieve"


def _described(cases: Sequence[Case], context: Context) -> list[Case]:
    """Put the pictures that have no caption into words, equal ones once."""
    described = list(cases)
    due = [row for row, case in enumerate(cases) if case["image"] and not case["caption"].strip()]
    if context.describer is None or not due:
        return described
    paths = list(dict.fromkeys(cases[row]["image"] or "" for row in due))
    found = dict(zip(paths, context.describer.caption(paths), strict=True))
    for row in due:
        one = found[cases[row]["image"] or ""]
        caption = "" if isinstance(one.answer, Failure) else one.answer
        described[row] = {**charged(cases[row], one.answer, one.cost), "caption": caption}
    return described


def _resolved(case: Case, resolved: Resolved) -> Case:
    following = charged(case, resolved.answer, resolved.cost)
    if isinstance(resolved.answer, Failure):
        return following
    return {**following, "resolution": resolution_row(resolved.answer)}


def _query(case: Case, expansion: str, context: Context) -> WeightedQuery:
    return weigh(query_of(case), resolution_of(case), expansion, context.settings.weights)


def _shown(case: Case, context: Context) -> ExpansionCase:
    tried = [case["tried"][at] for at in case["window"]]
    depth = context.settings.context_depth
    return ExpansionCase(
        query=query_of(case),
        caption=case["caption"],
        resolution=resolution_of(case),
        passages=tuple(context.texts[doc_id] for doc_id in case["context"]),
        tried=tuple(
            TriedExpansion(one["text"], one["score"], tuple(context.texts[hit[0]] for hit in one["hits"][:depth]))
            for one in tried
        ),
    )


def _queued(case: Case, expanded: Expanded, n: int, first: Sequence[str] = ()) -> Case:
    """A case with expansions to score that were never tried before; it is closed where there are none."""
    following = charged(case, expanded.answer, expanded.cost)
    proposed = () if isinstance(expanded.answer, Failure) else expanded.answer[:n]
    tried = {_folded(one["text"]) for one in case["tried"]}
    fresh: dict[str, str] = {}
    for text in (*first, *proposed):
        fresh.setdefault(_folded(text), text)
    pending: list[Candidate] = [
        {"text": text, "round": case["round"]} for folded, text in fresh.items() if folded not in tried
    ]
    return {**following, "pending": pending, "open": bool(pending)}


def _kept(case: Case, window: int, min_gain: float, max_rounds: int) -> Case:
    # the first of equals stays, so that an expansion must be better than none
    order = sorted(range(len(case["tried"])), key=lambda at: (-case["tried"][at]["score"], at))[:window]
    best = case["tried"][order[0]]["score"]
    rose = case["round"] == 0 or best >= case["best"] + min_gain
    is_open = case["open"] and rose and case["round"] < max_rounds
    return {**case, "window": order, "best": best, "open": is_open}


def _fused(rankings: Sequence[Ranking], rrf_k: float, k: int) -> Ranking:
    pool = sorted({hit.doc_id for ranking in rankings for hit in ranking.hits})
    scores = reciprocal_rank_fusion(rankings, pool, weights=[1.0] * len(rankings), k=rrf_k)
    best = sorted(zip(pool, scores.tolist(), strict=True), key=lambda pair: (-pair[1], pair[0]))[:k]
    return Ranking(rankings[0].query_id, tuple(Hit(doc_id, score) for doc_id, score in best))


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())
