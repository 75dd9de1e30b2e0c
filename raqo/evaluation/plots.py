"""Plots as inline SVG that take the colours of the page, light or dark."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from typing import Any

from raqo.evaluation.compare import ORACLE, RAW, EvaluationRow

INK, MUTED, ACCENT = "#010203", "#040506", "#070809"  # stand-ins, replaced by colours of the style sheet
_CSS = {INK: "currentColor", MUTED: "var(--muted)", ACCENT: "var(--accent)"}
_RC = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.family": "sans-serif",
    "font.size": 9,
    **dict.fromkeys(("text.color", "axes.labelcolor", "axes.titlecolor"), INK),
    **dict.fromkeys(("xtick.color", "ytick.color", "axes.edgecolor", "grid.color"), MUTED),
    **dict.fromkeys(("axes.spines.top", "axes.spines.right"), False),
}

Points = Sequence[tuple[float, float]]


def loss_svg(losses: Mapping[str, Points]) -> str:
    """One panel per training stage: (step, loss) pairs in the order logged; values that are not finite are left out."""
    curves = {name: [p for p in points if math.isfinite(p[1])] for name, points in losses.items()}
    curves = {name: points for name, points in curves.items() if points}
    if not curves:
        return ""

    def draw(axes: Any, name: str) -> None:
        steps, values = zip(*curves[name], strict=True)
        axes.plot(steps, values, color=ACCENT, linewidth=1.5, marker="o" if len(steps) < 3 else "")
        axes.set(title=name, xlabel="step")
        axes.grid(axis="y", linewidth=0.4, alpha=0.5)

    return _figure(list(curves), draw, height=2.2, salt="loss")


def recall_svg(rows: Sequence[EvaluationRow], main: str) -> str:
    """One panel per direction and split: recall at the first cut-off of every system as bars, the main one coloured."""
    panels = list(dict.fromkeys((row.split, row.direction.value) for row in rows))
    if not panels:
        return ""
    recall = next(name for name in rows[0].metrics if name.startswith("recall@"))

    def draw(axes: Any, panel: tuple[str, str]) -> None:
        shown = [row for row in rows if (row.split, row.direction.value) == panel][::-1]
        values = [100 * row.metrics[recall] for row in shown]
        alphas = [0.35 if row.name in (RAW, ORACLE) else 0.6 for row in shown]
        for place, (row, value, alpha) in enumerate(zip(shown, values, alphas, strict=True)):
            mine = row.name == main
            axes.barh(
                place, value, height=0.62, color=ACCENT if mine else MUTED, alpha=1.0 if mine else alpha, linewidth=0
            )
            axes.text(value + 1.5, place, f"{value:.1f}", va="center", fontweight="bold" if mine else "normal")
        axes.set_yticks(range(len(shown)), [row.name for row in shown])
        axes.set(title=f"{panel[0]} · {panel[1]}", xlabel=f"{recall}, %", xlim=(0, 112), xticks=range(0, 101, 25))
        axes.tick_params(axis="y", length=0)

    height = 0.9 + 0.32 * max(sum((row.split, row.direction.value) == panel for row in rows) for panel in panels)
    return _figure(panels, draw, height=height, salt="recall")


def _figure(panels: Sequence[Any], draw: Any, *, height: float, salt: str) -> str:
    import matplotlib
    from matplotlib.figure import Figure

    columns = min(3 if salt == "loss" else 2, len(panels))
    lines = -(-len(panels) // columns)
    with matplotlib.rc_context({**_RC, "svg.hashsalt": salt}):
        figure = Figure(figsize=(10.5, height * lines), layout="constrained")
        grid = figure.subplots(lines, columns, squeeze=False).flatten()
        for axes, panel in zip(grid, panels, strict=False):
            draw(axes, panel)
        for axes in grid[len(panels) :]:
            axes.set_visible(False)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    for stand_in, colour in _CSS.items():
        svg = svg.replace(stand_in, colour)
    return svg
