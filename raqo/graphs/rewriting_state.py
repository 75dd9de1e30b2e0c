"""What flows through the served graph: plain lists over a batch of queries, and the live objects beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypedDict, cast

from raqo.errors import DataError, message
from raqo.graphs.gate import Gate
from raqo.protocols import Retriever, Rewriter
from raqo.records import Hit, KeptReason, Query, Ranking, RewriteResult

UNDECIDED = ""
"""In `RewritingState.kept`: neither kept nor rewritten yet."""

HitRows = list[list[Any]]
"""A ranking as plain data: ``[[doc_id, score], ...]``, best first."""


class QueryData(TypedDict, total=False):
    """A `Query` as plain data; `image` may be missing or ``None``."""

    query_id: str
    text: str
    image: str | None


class RewritingInput(TypedDict):
    """What the graph takes."""

    queries: list[QueryData]


class RewritingState(RewritingInput, total=False):
    """One entry per query in every list, in the order of `queries`.

    `before` and `after` hold hits; `after` is empty where the rewrite was never searched. `kept` holds the value of a
    `KeptReason`, or `UNDECIDED`.
    """

    before: list[HitRows]
    concepts: list[list[str]]
    rewrites: list[str]
    after: list[HitRows]
    kept: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """The live objects of a run. None of them knows which document a query is looking for.

    Attributes:
        k: hits to return for each query.
    """

    retriever: Retriever
    rewriter: Rewriter
    gate: Gate = field(default_factory=Gate)
    k: int = 10

    @property
    def depth(self) -> int:
        """Hits to search, so that the gate sees enough of them."""
        return max(self.k, self.gate.depth)


def start_state(queries: Sequence[Query]) -> RewritingInput:
    """The input of the graph for a batch of queries."""
    return {"queries": [QueryData(query_id=q.query_id, text=q.text, image=q.image) for q in queries]}


def require_queries(state: Mapping[str, Any]) -> None:
    """Check an input that may come over the network.

    Raises:
        DataError: it is not of the form of `RewritingInput`.
    """
    rows = state.get("queries")
    fix = 'send {"queries": [{"text": "a yellow dog"}]}'
    if not isinstance(rows, list) or not rows:
        raise DataError(message("queries", "expected a list with a query in it", fix))
    for row, data in enumerate(rows):
        given = [data[key] for key in ("text", "image") if data.get(key) is not None] if isinstance(data, dict) else []
        if not given or not all(isinstance(value, str) for value in given):
            raise DataError(message(f"queries[{row}]", "expected an object with a text or an image", fix))


def query_at(state: RewritingState, row: int, text: str | None = None) -> Query:
    """The query of a row, with another wording if one is given."""
    data = state["queries"][row]
    return Query(data.get("query_id", str(row)), data.get("text", "") if text is None else text, data.get("image"))


def undecided(state: RewritingState) -> list[int]:
    """The rows that may still be rewritten."""
    return [row for row, reason in enumerate(state["kept"]) if reason == UNDECIDED]


def patched(values: Sequence[Any], rows: Sequence[int], new: Sequence[Any]) -> list[Any]:
    """A copy of `values` with the entries of `rows` replaced."""
    changes = dict(zip(rows, new, strict=True))
    return [changes.get(row, value) for row, value in enumerate(values)]


def to_rows(ranking: Ranking) -> HitRows:
    """A ranking as plain data."""
    return [[hit.doc_id, float(hit.score)] for hit in ranking.hits]


def to_ranking(query_id: str, rows: HitRows, k: int | None = None) -> Ranking:
    """The opposite of `to_rows`, cut after k hits."""
    return Ranking(query_id, tuple(Hit(doc_id, score) for doc_id, score in rows[:k]))


def to_result(state: Mapping[str, Any], row: int, k: int) -> RewriteResult:
    """Read the outcome of one row from the final state."""
    done = cast(RewritingState, state)
    query, kept = query_at(done, row), KeptReason(done["kept"][row])
    rewritten = kept is KeptReason.NONE
    before = to_ranking(query.query_id, done["before"][row], k)
    return RewriteResult(
        query=query,
        concepts=tuple(done["concepts"][row]),
        rewrite=done["rewrites"][row],
        final_text=done["rewrites"][row] if rewritten else query.text,
        kept=kept,
        before=before,
        after=to_ranking(query.query_id, done["after"][row], k) if rewritten else before,
    )
