"""The table of a comparison, for the terminal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby

from raqo.evaluation.compare import LOST, EvaluationRow

Cell = Callable[[EvaluationRow], str]


def percent(value: float | None) -> str:
    """A share as per cent with one decimal; a dash for ``None``."""
    return "–" if value is None else f"{100 * value:.1f}"


def probability(value: float) -> str:
    """A p value with three decimals, or ``<.001``."""
    return "<.001" if value < 0.001 else f"{value:.3f}"


def columns(row: EvaluationRow) -> list[tuple[str, str]]:
    """Heading and text of every cell of a row. Recalls, MRR, nDCG, gap, helped, harmed and lost are in per cent."""
    metrics = [(name, percent(value)) for name, value in row.metrics.items() if not name.startswith("target_")]
    return [
        ("name", row.name),
        *metrics,
        ("gap", percent(row.gap_recovered)),
        ("helped", percent(row.helped / max(1, row.n))),
        ("harmed", percent(row.harmed / max(1, row.n))),
        (f"{LOST}{row.last_cutoff}", percent(row.lost / max(1, row.n))),
        ("p (Holm)", probability(row.p_holm)),
    ]


def format_table(rows: Sequence[EvaluationRow]) -> str:
    """Align the rows in columns, one block per direction and split; figures in per cent."""
    blocks = []
    for (split, direction), members in groupby(rows, key=lambda row: (row.split, row.direction.value)):
        group = list(members)
        cells = [columns(row) for row in group]
        lines = [[heading for heading, _ in cells[0]], *([text for _, text in line] for line in cells)]
        blocks.append(f"{split} · {direction} · {group[0].n} queries · per cent\n{_aligned(lines)}")
    return "\n\n".join(blocks)


def _aligned(lines: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    texts = [
        "  ".join(cell.ljust(width) if place == 0 else cell.rjust(width) for place, (cell, width) in enumerate(pairs))
        for pairs in (list(zip(line, widths, strict=True)) for line in lines)
    ]
    return "\n".join([texts[0], "─" * len(texts[0]), *texts[1:]])
