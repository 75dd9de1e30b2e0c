"""What a knowledge task's table shows: pseudo-relevance metrics, and whom a system helps or harms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from raqo.evaluation.pseudo_relevance import MRR_DEPTH, PerQuestion, PseudoRelevance
from raqo.evaluation.significance import changes, paired_p_value
from raqo.evaluation.table import percent, probability

K = 5


@dataclass(frozen=True, slots=True)
class KnowledgeRow:
    """One system on one set of questions, compared with the baseline by its hits among the first five.

    Attributes:
        hit: share of questions with a relevant passage among the first five; what the papers call R@5.
        precision: P@5.
        mrr: MRR@5.
        helped: questions that the baseline misses and this system hits.
        harmed: the other way round.
        p: of the paired permutation test on the hits.
    """

    name: str
    n: int
    hit: float
    precision: float
    mrr: float
    helped: int
    harmed: int
    p: float

    def as_json(self) -> dict[str, Any]:
        """The row as plain data."""
        return asdict(self)


def row(name: str, measured: PerQuestion, baseline: PerQuestion, mode: PseudoRelevance) -> KnowledgeRow:
    """Compare a system's metrics with the baseline's, question by question."""
    key = f"r@{K}[{mode.label}]"
    hits, base = measured[key], baseline[key]
    counted = changes(base, hits)
    return KnowledgeRow(
        name=name,
        n=int(hits.size),
        hit=float(hits.mean()),
        precision=float(measured[f"p@{K}[{mode.label}]"].mean()),
        mrr=float(measured[f"mrr@{MRR_DEPTH}[{mode.label}]"].mean()),
        helped=counted.helped,
        harmed=counted.harmed,
        p=paired_p_value(base, hits),
    )


def format_rows(rows: Sequence[KnowledgeRow], *, title: str) -> str:
    """Align the rows in columns; shares in per cent, helped and harmed as counts of questions."""
    lines = [("", f"hit@{K}", f"P@{K}", f"MRR@{MRR_DEPTH}", "helped", "harmed", "p")]
    lines += [
        (
            one.name, percent(one.hit), percent(one.precision), percent(one.mrr),
            str(one.helped), str(one.harmed), probability(one.p),
        )
        for one in rows
    ]  # fmt: skip
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    texts = [
        "  ".join(cell.rjust(width) if place else cell.ljust(width) for place, (cell, width) in enumerate(pairs))
        for pairs in (list(zip(line, widths, strict=True)) for line in lines)
    ]
    return "\n".join([title, texts[0], "─" * len(texts[0]), *texts[1:]])
