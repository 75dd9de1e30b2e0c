"""A rewrite and its hits as text for the terminal and as JSON values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from raqo.graphs.rewriting import Step
from raqo.records import Document, KeptReason, Ranking, RewriteResult


def result_json(result: RewriteResult, before: Sequence[Document], after: Sequence[Document]) -> dict[str, Any]:
    """Everything the served graph says about one query.

    Args:
        result: of the graph.
        before: the documents of ``result.before``, in its order.
        after: those of ``result.after``.
    """
    return {
        "query": result.query.text,
        "concepts": list(result.concepts),
        "rewrite": result.rewrite,
        "final": result.final_text,
        "kept_original": result.kept is not KeptReason.NONE,
        "reason": result.kept.value,
        "before": hits_json(result.before, before),
        "after": hits_json(result.after, after),
    }


def result_text(result: RewriteResult, before: Sequence[Document], after: Sequence[Document]) -> str:
    """The same for people; each hit of the rewrite says which rank the query gave it."""
    kept = "" if result.kept is KeptReason.NONE else f"  (original kept: {result.kept.value})"
    ranks = {hit.doc_id: rank for rank, hit in enumerate(result.before.hits, start=1)}
    moves = [_moved(ranks.get(hit.doc_id), rank) for rank, hit in enumerate(result.after.hits, start=1)]
    lines = [
        f"query     {one_line(result.query.text)}",
        f"concepts  {', '.join(map(one_line, result.concepts)) or 'None'}",
        f"rewrite   {one_line(result.rewrite) or '-'}{kept}",
        "",
        "before",
        *(hit_lines(result.before, before) or ["nothing found"]),
        "",
        "after",
        *(hit_lines(result.after, after, notes=moves) or ["nothing found"]),
    ]
    return "\n".join(lines)


def hits_json(ranking: Ranking, documents: Sequence[Document]) -> list[dict[str, Any]]:
    """Rank, id and score of each hit, and what it shows: the path of its picture, or its text."""
    return [
        {"rank": rank, "doc_id": hit.doc_id, "score": hit.score, "shows": document.image or document.text}
        for rank, (hit, document) in enumerate(zip(ranking.hits, documents, strict=True), start=1)
    ]


def hit_lines(ranking: Ranking, documents: Sequence[Document], *, notes: Sequence[str] = ()) -> list[str]:
    """The same for people, a line each; with a note on each hit where `notes` are given."""
    ranks = [f"{rank:>3}" for rank in range(1, len(documents) + 1)]
    scores = [f"{hit.score:.4f}" for hit in ranking.hits]
    columns = [ranks, _padded(scores, str.rjust), _padded([one_line(hit.doc_id) for hit in ranking.hits], str.ljust)]
    if notes:
        columns.insert(2, _padded(notes, str.ljust))
    return ["  ".join(cells) for cells in zip(*columns, map(_shown, documents), strict=True)]


def step_line(step: Step) -> str:
    """What one node of the served graph found, on one short line."""
    found = step.update
    match step.name:
        case "gate":
            text = found["kept"] or f"not confident; {_best(found['before'])}"
        case "detect":
            text = found["kept"] or ", ".join(found["concepts"])
        case "rewrite":
            text = found["rewrites"] or "no text"
        case "retrieve":
            text = _best(found["after"])
        case _:
            text = found["kept"] or "may be searched"
    return f"{f'{step.name}:':<9} {one_line(text)}"


def one_line(text: str, *, width: int = 100) -> str:
    """The start of a text on one line, without what a terminal would obey."""
    read = text[: 4 * width]
    folded = " ".join("".join(letter if letter.isprintable() else " " for letter in read).split())
    whole = len(read) == len(text) and len(folded) <= width
    return folded if whole else f"{folded[: width - 1].rstrip()}…"


def _padded(cells: Sequence[str], pad: Callable[[str, int], str]) -> list[str]:
    width = max(map(len, cells), default=0)
    return [pad(cell, width) for cell in cells]


def _shown(document: Document) -> str:
    return one_line(document.image, width=400) if document.image else one_line(document.text or "")


def _best(rows: Sequence[Sequence[Any]]) -> str:
    """The first of the hits, as the graph's state holds them."""
    return f"first hit {rows[0][0]} {rows[0][1]:.4f}" if rows else "nothing found"


def _moved(before: int | None, after: int) -> str:
    if before is None:
        return "new"
    return "same" if before == after else f"was {before}"
