"""The steps of the mining graph: plain functions of a batch of queries and the live objects."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from langgraph.runtime import Runtime

from raqo.graphs.mining_state import (
    Candidate,
    Case,
    Context,
    MiningState,
    to_query,
    to_ranking,
    to_rows,
    to_trace,
)
from raqo.graphs.settings import MiningSettings
from raqo.protocols import Perturbed, ReviewCase, Reviewed
from raqo.records import Failure, Origin, Ranking, Verdict

# Scores are compared and written to disk: float32 noise must not reach either.
DECIMALS = 6
HITS_KEPT = 10

Update = dict[str, Any]


def retrieve(state: MiningState, runtime: Runtime[Context]) -> Update:
    """Submit all pending wordings of the batch: one search, one similarity call, one sentence-encoder call."""
    context = runtime.context
    jobs = [(index, candidate) for index, case in enumerate(state["cases"]) for candidate in case["pending"]]
    if not jobs:
        return {}
    queries = [to_query(state["cases"][index], candidate["text"]) for index, candidate in jobs]
    with context.lock, _timed(context, "retrieve"):
        rankings = context.retriever.search(queries, k=context.settings.search_depth)
        cases = [_aimed(case) for case in state["cases"]]
        for (index, _), ranking in zip(jobs, rankings, strict=True):
            cases[index]["target"] = cases[index]["target"] or _best_target(cases[index], ranking)
        similarities = context.retriever.similarity(queries, [cases[index]["target"] for index, _ in jobs])
    with context.lock, _timed(context, "text_similarity"):
        texts = [candidate["text"] for _, candidate in jobs]
        cosines = context.text_cosine([cases[index]["text"] for index, _ in jobs], texts)
    for (index, candidate), ranking, similarity, cosine in zip(jobs, rankings, similarities, cosines, strict=True):
        cases[index]["found"].append(_found(candidate, cases[index], ranking, float(similarity), cosine))
    return {"cases": cases}


def judge(state: MiningState, runtime: Runtime[Context]) -> Update:
    """Turn what was found into attempts, and decide which queries stay open (Figure 3, 'Judge the alignment')."""
    return {"cases": [_judged(case, runtime.context.settings) for case in state["cases"]]}


def perturb(state: MiningState, runtime: Runtime[Context]) -> Update:
    """Open a second case, with rare words, for unambiguous queries (RAQO, 'Unambiguous Query Perturbation')."""
    context = runtime.context
    chosen = [case for case in state["cases"] if _to_perturb(case, context)]
    with _timed(context, "perturb"):
        perturbed = context.perturber.perturb([case["text"] for case in chosen]) if chosen else []
    context.failure_rate.add(found.answer for found in perturbed)
    share = context.settings.perturb_samples
    opened = [_perturbation_case(case, found, share) for case, found in zip(chosen, perturbed, strict=True)]
    return {"cases": [*state["cases"], *opened], "perturbed": True}


def review(state: MiningState, runtime: Runtime[Context]) -> Update:
    """Show open cases with their hits and targets to the reviewer, and queue the rewrites it proposes."""
    context = runtime.context
    cases = list(state["cases"])
    due = [index for index, case in enumerate(cases) if case["open"]]
    with _timed(context, "review"):
        reviews = context.reviewer.review([_review_case(cases[index]) for index in due])
    context.failure_rate.add(reviewed.answer for reviewed in reviews)
    for index, reviewed in zip(due, reviews, strict=True):
        cases[index] = _reviewed(cases[index], reviewed, context.settings)
    return {"cases": cases}


def finish(state: MiningState, runtime: Runtime[Context]) -> Update:
    """Write the traces. The OPTIMIZE trace of a query comes last: where it is on disk, the query is finished."""
    context = runtime.context
    order = {case["query_id"]: place for place, case in reversed(list(enumerate(state["cases"])))}
    cases = sorted(state["cases"], key=lambda case: (order[case["query_id"]], case["origin"] == Origin.OPTIMIZE))
    traces = [to_trace(case, context.provenance) for case in cases]
    with context.lock, _timed(context, "write"):
        context.sink.write([trace for trace in traces if (trace.query_id, trace.origin.value) not in context.done])
    return {"cases": cases}


def route(state: MiningState) -> str:
    """Perturb once, then review while a case is open."""
    if not state["perturbed"]:
        return "perturb"
    return "review" if any(case["open"] for case in state["cases"]) else "finish"


def _aimed(case: Case) -> Case:
    return {**case, "pending": [], "found": []}


def _best_target(case: Case, ranking: Ranking) -> str:
    """The best-ranked relevant document, or the first where none was found."""
    ranks = [(ranking.rank_of(target) or len(ranking.hits) + 1, place) for place, target in enumerate(case["targets"])]
    return case["targets"][min(ranks)[1]]


def _found(candidate: Candidate, case: Case, ranking: Ranking, similarity: float, cosine: float) -> Candidate:
    cost = case["cost"]
    case["cost"] = {**cost, "retriever_queries": cost["retriever_queries"] + 2}
    return {
        **candidate,
        "rank": ranking.best_rank(tuple(case["targets"])),
        "similarity": round(similarity, DECIMALS),
        "text_similarity": cosine,
        "hits": to_rows(ranking, HITS_KEPT),
    }


def _judged(case: Case, settings: MiningSettings) -> Case:
    if not case["found"]:
        return case
    if case["origin"] == Origin.PERTURB:
        return _judged_perturbation(case, settings)
    if not case["raw"]:
        raw = _attempt(case["found"][0], 0, settings, accepted=False)
        ambiguous = raw["verdict"] == Verdict.AMBIGUOUS
        return {
            **case,
            "raw": raw,
            "current": case["found"][0],
            "found": [],
            "open": ambiguous and settings.max_rounds > 0,
        }
    return _judged_rewrites(case, settings)


def _judged_rewrites(case: Case, settings: MiningSettings) -> Case:
    faithful = [found for found in case["found"] if found["text_similarity"] >= settings.min_text_similarity]
    attempts = list(case["attempts"])
    for found in case["found"]:
        accepted = found in faithful and settings.verdict(found["rank"]) is Verdict.UNAMBIGUOUS
        attempts.append(_attempt(found, case["round"], settings, accepted=accepted))
    # the best wording so far goes into the next round; the first of equals stays
    best = max([case["current"], *faithful], key=lambda found: found["similarity"])
    enough = sum(row["accepted"] for row in attempts) >= settings.max_accepted
    is_open = not enough and case["round"] < settings.max_rounds
    return {**case, "attempts": attempts, "current": best, "found": [], "open": is_open}


def _judged_perturbation(case: Case, settings: MiningSettings) -> Case:
    """Accept the first variant that confuses the retriever; later ones count as never tried."""
    attempts = []
    for found in case["found"]:
        drop = round(case["raw"]["similarity"] - found["similarity"], DECIMALS)
        confusing = drop >= settings.min_similarity_drop or settings.verdict(found["rank"]) is Verdict.AMBIGUOUS
        accepted = confusing and found["text_similarity"] >= settings.min_text_similarity
        attempts.append(_attempt(found, 1, settings, accepted=accepted))
        if accepted:
            break
    return {**case, "attempts": attempts, "found": []}


def _attempt(found: Candidate, round_: int, settings: MiningSettings, *, accepted: bool) -> dict[str, Any]:
    return {
        "round": round_,
        "text": found["text"],
        "concepts": list(found["concepts"]),
        "rank": found["rank"],
        "similarity": found["similarity"],
        "verdict": settings.verdict(found["rank"]).value,
        "text_similarity": found["text_similarity"],
        "accepted": accepted,
    }


def _to_perturb(case: Case, context: Context) -> bool:
    settings = context.settings
    return (
        case["raw"]["verdict"] == Verdict.UNAMBIGUOUS
        and (case["query_id"], Origin.PERTURB.value) not in context.done
        and _draw(case["query_id"], settings.seed) < settings.perturb_share
    )


def _draw(query_id: str, seed: int) -> float:
    """A number in [0, 1) that depends on nothing but the query and the seed."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{query_id}".encode()).digest()[:6], "big") / 2**48


def _perturbation_case(case: Case, perturbed: Perturbed, share: int) -> Case:
    opened: Case = {**case, "origin": Origin.PERTURB.value, "open": False, "cost": asdict(perturbed.cost)}
    if isinstance(perturbed.answer, Failure):
        return {**opened, "failure": asdict(perturbed.answer)}
    return {
        **opened,
        "pending": [{"text": found.text, "concepts": list(found.concepts)} for found in perturbed.answer[:share]],
    }


def _review_case(case: Case) -> ReviewCase:
    query = to_query(case, case["current"]["text"])
    return ReviewCase(query, case["text"], to_ranking(case), case["target"], case["round"] + 1)


def _reviewed(case: Case, reviewed: Reviewed, settings: MiningSettings) -> Case:
    """A case after its review: rewrites never tried before are pending; a case without any is closed."""
    answer = reviewed.answer
    summed = {name: value + getattr(reviewed.cost, name) for name, value in case["cost"].items()}
    following: Case = {**case, "round": case["round"] + 1, "cost": summed}
    if isinstance(answer, Failure):
        return {**following, "open": False, "failure": asdict(answer)}
    tried = {_folded(text) for text in (case["text"], *(row["text"] for row in case["attempts"]))}
    fresh = {_folded(text): text for text in reversed(answer.rewrites) if text.strip() and _folded(text) not in tried}
    texts = list(reversed(fresh.values()))[: settings.samples_per_round]
    concepts = merge_concepts(case["text"], [*case["current"]["concepts"], *answer.concepts])
    pending: list[Candidate] = [{"text": text, "concepts": concepts} for text in texts]
    return {**following, "reviews": [*case["reviews"], asdict(answer)], "pending": pending, "open": bool(texts)}


def merge_concepts(query: str, concepts: list[str]) -> list[str]:
    """Concepts that stand in the query as whole words, in its order, without repeats and parts of longer ones."""
    folded = _folded(query)
    found = {key: text for text in concepts if (key := _folded(text)) and _place(key, folded) >= 0}
    longest = [key for key in found if not any(key != other and _place(key, other) >= 0 for other in found)]
    return [found[key] for key in sorted(longest, key=lambda key: _place(key, folded))]


def _place(words: str, text: str) -> int:
    match = re.search(rf"(?<!\w){re.escape(words)}(?!\w)", text)
    return match.start() if match else -1


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())


@contextmanager
def _timed(context: Context, stage: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    context.seconds[stage] = context.seconds.get(stage, 0.0) + time.perf_counter() - started
