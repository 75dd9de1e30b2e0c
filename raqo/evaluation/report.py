"""The report of a run: `report.json` for programs, `report.html` for people; each is one file that loads nothing."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from raqo.evaluation import highlight, pictures, plots, table
from raqo.evaluation.compare import ORACLE, RAW, EvaluationRow
from raqo.evaluation.examples import ExampleGroup
from raqo.evaluation.plain import flatten, plain
from raqo.files import write_text

TIMINGS = ("mine_s", "train_s", "evaluate_s", "total_s")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportInputs:
    """Everything a report says.

    Attributes:
        main: name of the system that the headline is about.
        rows: the table, in order (already corrected for multiple tests).
        timing: seconds by `TIMINGS`, whenever they were taken; a missing one is written as 0.
        peak_rss_mb: largest resident memory of the run.
        manifest: provenance, fingerprints, settings, file hashes; any nesting of plain values.
        losses: training stage to (step, loss) pairs.
        examples: from `examples.choose_examples`.
        reused: those of `TIMINGS` that were taken by earlier starts only; the page marks them.
        thumbnail: longest side of a picture in pixels.
        texts: the documents are texts, not pictures.
    """

    main: str
    rows: tuple[EvaluationRow, ...]
    timing: Mapping[str, float]
    peak_rss_mb: float
    manifest: Mapping[str, Any]
    losses: Mapping[str, Sequence[tuple[float, float]]] = field(default_factory=dict)
    examples: tuple[ExampleGroup, ...] = ()
    reused: tuple[str, ...] = ()
    title: str = "Retriever-adaptive query optimisation"
    thumbnail: int = 160
    texts: bool = False


@dataclass(frozen=True, slots=True)
class Headline:
    """The main system on one split and direction, beside raw and oracle."""

    row: EvaluationRow
    raw: EvaluationRow
    oracle: EvaluationRow | None


def write_report(folder: Path, inputs: ReportInputs) -> tuple[Path, Path]:
    """Write `report.json` and `report.html` into a folder and return both paths. Each write is atomic."""
    paths = folder / "report.json", folder / "report.html"
    write_text(paths[0], json.dumps(report_json(inputs), ensure_ascii=False, indent=2, allow_nan=False) + "\n")
    write_text(paths[1], report_html(inputs))
    return paths


def report_json(inputs: ReportInputs) -> dict[str, Any]:
    """The report as plain values; numbers that are not finite become ``null``."""
    return {
        "rows": [plain(row.as_json()) for row in inputs.rows],
        "timing": {name: float(inputs.timing.get(name, 0.0)) for name in TIMINGS},
        "peak_rss_mb": float(inputs.peak_rss_mb),
        "manifest": plain(inputs.manifest),
    }


def report_html(inputs: ReportInputs) -> str:
    """Render the page. All texts are escaped: queries, captions and model output are untrusted."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    loader = PackageLoader("raqo.evaluation", ".")
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    environment.lstrip_blocks = True
    environment.filters |= {"percent": table.percent, "probability": table.probability}
    return environment.get_template("report.html.j2").render(
        inputs=inputs,
        headlines=headlines(inputs.rows, inputs.main),
        blocks=_blocks(inputs.rows),
        columns=table.columns,
        took=took(inputs.timing, inputs.reused),
        first_ranks=_first_ranks(inputs.rows),
        recall_plot=Markup(plots.recall_svg(inputs.rows, inputs.main)),  # our own drawing; its texts are escaped
        loss_plot=Markup(plots.loss_svg(inputs.losses)),
        picture=cache(lambda path: pictures.thumbnail(path, side=inputs.thumbnail)),
        mark_phrases=highlight.mark_phrases,
        mark_changes=highlight.mark_changes,
        provenance=flatten(plain(inputs.manifest)),
    )


def took(timing: Mapping[str, float], reused: Collection[str] = ()) -> str:
    """The measured times in words; a step that was not taken is not named, one that was reused is marked."""
    named = (("mine_s", "mining"), ("train_s", "training"), ("evaluate_s", "evaluation"), ("total_s", "in all"))
    return " · ".join(
        f"{name} {timing[key]:.0f} s{' (reused)' if key in reused else ''}" for key, name in named if key in timing
    )


def headlines(rows: Sequence[EvaluationRow], main: str) -> list[Headline]:
    """The main system's rows, each with the raw and oracle rows of its split and direction."""
    by_key = {(row.name, row.split, row.direction): row for row in rows}
    mine = [row for row in rows if row.name == main]
    return [
        Headline(row, by_key[RAW, row.split, row.direction], by_key.get((ORACLE, row.split, row.direction)))
        for row in mine
        if (RAW, row.split, row.direction) in by_key
    ]


def _first_ranks(rows: Sequence[EvaluationRow]) -> str:
    """Where a target must be to count as found, in words."""
    k = rows[0].first_cutoff if rows else 1
    return "at rank 1" if k == 1 else f"among the first {k}"


def _blocks(rows: Sequence[EvaluationRow]) -> list[list[EvaluationRow]]:
    groups: dict[tuple[str, str], list[EvaluationRow]] = {}
    for row in rows:
        groups.setdefault((row.split, row.direction.value), []).append(row)
    return list(groups.values())
