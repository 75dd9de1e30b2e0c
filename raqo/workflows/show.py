"""A rewrite as text for the terminal and as JSON values."""

from __future__ import annotations

from typing import Any

from raqo.records import KeptReason, Ranking, RewriteResult


def result_json(result: RewriteResult) -> dict[str, Any]:
    """Everything the served graph says about one query."""
    return {
        "query": result.query.text,
        "concepts": list(result.concepts),
        "rewrite": result.rewrite,
        "final": result.final_text,
        "kept_original": result.kept is not KeptReason.NONE,
        "reason": result.kept.value,
        "before": _hits(result.before),
        "after": _hits(result.after),
    }


def result_text(result: RewriteResult) -> str:
    """The same for people."""
    kept = "" if result.kept is KeptReason.NONE else f"  (original kept: {result.kept.value})"
    lines = [
        f"query     {result.query.text}",
        f"concepts  {', '.join(result.concepts) or 'None'}",
        f"rewrite   {result.rewrite or '-'}{kept}",
        "",
        f"{'before':<36}after",
    ]
    pairs = zip(result.before.hits, result.after.hits, strict=False)
    lines += [f"{f'{a.doc_id}  {a.score:.4f}':<36}{b.doc_id}  {b.score:.4f}" for a, b in pairs]
    return "\n".join(lines)


def one_line(text: str, *, width: int = 100) -> str:
    """The start of a text on one line, without what a terminal would obey."""
    read = text[: 4 * width]
    folded = " ".join("".join(letter if letter.isprintable() else " " for letter in read).split())
    whole = len(read) == len(text) and len(folded) <= width
    return folded if whole else f"{folded[: width - 1].rstrip()}…"


def _hits(ranking: Ranking) -> list[dict[str, Any]]:
    return [{"doc_id": hit.doc_id, "score": hit.score} for hit in ranking.hits]
