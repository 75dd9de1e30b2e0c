"""Preferences from tried expansions: the one place of the expansion loop that knows which passages are right.

The loop has ended when this begins, so nothing here can reach what is served. Every expansion that was tried becomes
an attempt, judged by the rank of the question's best passage (RAQO, 'Query Ambiguity Assessment'), whether it helped or
hurt. Wordings are searched as plain texts, as a rewriter's will be.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from raqo.graphs.expansion_state import ExpansionResult
from raqo.graphs.settings import MiningSettings
from raqo.graphs.text_cosine import TextCosine
from raqo.protocols import Retriever, TextEncoder
from raqo.records import Attempt, Cost, Origin, Provenance, Query, Ranking, Trace, Verdict

# float32 noise must not be written to disk
_DECIMALS = 6


def judge_expansions(
    results: Sequence[ExpansionResult],
    targets: Mapping[str, tuple[str, ...]],
    *,
    retriever: Retriever,
    text_encoder: TextEncoder,
    provenance: Provenance,
    settings: MiningSettings | None = None,
    attempts: int = 10,
) -> list[Trace]:
    """One OPTIMIZE trace per question: the raw query is question and caption, the attempts are what was tried.

    Attempts stand in the order of their scores without ground truth, best first, so that of equally good ones the
    preference data keep the one the loop liked best. An unambiguous or undecided question has none.

    Args:
        results: of the loop.
        targets: query id -> ids of the passages that answer it (named as right, or pseudo-relevant); never empty.
        retriever: the one that the loop used.
        text_encoder: compares wordings with the raw query.
        provenance: of the run.
        settings: which ranks are ambiguous and unambiguous, search depth and least text similarity.
        attempts: of a question at most, from the best to the worst at equal distances.
    """
    settings = settings or MiningSettings()
    raws = [Query(result.query.query_id, raw_text(result)) for result in results]
    before = retriever.search(raws, k=settings.search_depth)
    ranks = [ranking.best_rank(targets[ranking.query_id]) for ranking in before]
    unclear = [settings.verdict(rank) is Verdict.AMBIGUOUS for rank in ranks]
    wordings = [_wordings(one, attempts) if open_ else [] for one, open_ in zip(results, unclear, strict=True)]
    queries = [Query(raw.query_id, text) for raw, own in zip(raws, wordings, strict=True) for text in (raw.text, *own)]
    rankings = retriever.search(queries, k=settings.search_depth)
    named = _targets(results, targets, wordings, rankings)
    similarities = retriever.similarity(queries, named)
    originals = [raw.text for raw, own in zip(raws, wordings, strict=True) for _ in range(1 + len(own))]
    cosines = TextCosine(text_encoder)(originals, [query.text for query in queries])
    found = iter(zip(queries, rankings, named, similarities.tolist(), cosines, strict=True))
    traces = []
    for result, own in zip(results, wordings, strict=True):
        rows = [next(found) for _ in range(1 + len(own))]
        judged = [_attempt(row, result, targets, settings, place) for place, row in enumerate(rows)]
        traces.append(_trace(result, rows[0][2], judged, provenance))
    return traces


def found_passages(
    results: Sequence[ExpansionResult],
    *,
    retriever: Retriever,
    settings: MiningSettings | None = None,
    attempts: int = 10,
) -> dict[str, tuple[str, ...]]:
    """Query id -> every passage that `judge_expansions` will meet in its rankings.

    Where a data set names no right passages, pseudo-relevance has to be asked of these only, and not of the corpus:
    what is never found has no rank.
    """
    depth = (settings or MiningSettings()).search_depth
    wordings = [(one.query.query_id, text) for one in results for text in (raw_text(one), *_wordings(one, attempts))]
    found: dict[str, dict[str, None]] = {}
    for ranking in retriever.search([Query(query_id, text) for query_id, text in wordings], k=depth):
        found.setdefault(ranking.query_id, {}).update(dict.fromkeys(hit.doc_id for hit in ranking.hits))
    return {query_id: tuple(ids) for query_id, ids in found.items()}


def raw_text(result: ExpansionResult) -> str:
    """What a rewriter gets: the question and the caption as one text."""
    return f"{result.query.text} {result.caption}".strip()


def _wordings(result: ExpansionResult, most: int) -> list[str]:
    best_first = sorted(result.tried, key=lambda one: -one.score)
    texts = list(dict.fromkeys(f"{result.resolution.text} {one.text}".strip() for one in best_first))
    step = max(1.0, (len(texts) - 1) / max(1, most - 1))
    return [texts[round(step * at)] for at in range(min(most, len(texts)))]


def _targets(
    results: Sequence[ExpansionResult],
    targets: Mapping[str, tuple[str, ...]],
    wordings: Sequence[Sequence[str]],
    rankings: Sequence[Ranking],
) -> list[str]:
    """For each wording the question's target: its best-ranked right passage over all wordings, or the first."""
    named, found = [], iter(rankings)
    for result, own in zip(results, wordings, strict=True):
        right, seen = targets[result.query.query_id], [next(found) for _ in range(1 + len(own))]
        ranks = [(rank, place) for place, doc_id in enumerate(right) for one in seen if (rank := one.rank_of(doc_id))]
        named += [right[min(ranks, default=(0, 0))[1]]] * len(seen)
    return named


def _attempt(
    row: tuple[Query, Ranking, str, float, float],
    result: ExpansionResult,
    targets: Mapping[str, tuple[str, ...]],
    settings: MiningSettings,
    place: int,
) -> Attempt:
    query, ranking, _, similarity, cosine = row
    rank = ranking.best_rank(targets[query.query_id])
    verdict = settings.verdict(rank)
    good = place > 0 and verdict is Verdict.UNAMBIGUOUS and cosine >= settings.min_text_similarity
    return Attempt(
        round=min(place, 1),
        text=query.text,
        concepts=_concepts(result) if place else (),
        rank=rank,
        similarity=round(similarity, _DECIMALS),
        verdict=verdict,
        text_similarity=cosine,
        accepted=good,
    )


def _concepts(result: ExpansionResult) -> tuple[str, ...]:
    """The caption's word for what is asked about: the retriever did not understand that it is meant."""
    return tuple(keyword for keyword, _ in result.resolution.implicit[:1])


def _trace(result: ExpansionResult, target: str, attempts: Sequence[Attempt], provenance: Provenance) -> Trace:
    raw, *tried = attempts
    cost = result.cost
    return Trace(
        query_id=result.query.query_id,
        target=target,
        origin=Origin.OPTIMIZE,
        raw=raw,
        attempts=tuple(tried),
        reviews=(),
        failure=result.failures[0] if result.failures and not tried else None,
        cost=Cost(len(attempts) * 2, cost.chat_calls, cost.prompt_tokens, cost.completion_tokens),
        provenance=provenance,
    )
