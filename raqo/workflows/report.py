"""The report of a run, from what its folder holds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import raqo
from raqo.config import IfExists, RunConfig
from raqo.evaluation.report import ReportInputs, write_report
from raqo.evaluation.table import format_table
from raqo.preference_data.export import MANIFEST
from raqo.retrievers.checked_files import file_digest
from raqo.training.manifest import read_manifest
from raqo.workflows.build_data import read_gate
from raqo.workflows.evaluate import Evaluated, read_losses
from raqo.workflows.kept_evaluation import read_evaluation_manifest
from raqo.workflows.memory import PeakMemory
from raqo.workflows.parts import Parts
from raqo.workflows.run_folder import RunFolder, open_run
from raqo.workflows.steps import evaluate_step
from raqo.workflows.times import Times
from raqo.workflows.train import STAGES


def evaluate_run(config: RunConfig, out: Path, *, if_exists: IfExists) -> tuple[str, Path]:
    """`raqo evaluate`: measure the rewriter of a run folder, and write the report.

    Returns:
        The table as text, and the path of ``report.html``.
    """
    times = Times(out)
    folder, parts = open_run(out, if_exists), Parts(config)
    with PeakMemory() as memory:
        evaluated = evaluate_step(parts, folder, times)
    page = report_run(parts, folder, evaluated, times=times, peak_mb=memory.peak_mb)
    return format_table(evaluated.rows), page


def report_run(parts: Parts, folder: RunFolder, evaluated: Evaluated, *, times: Times, peak_mb: float) -> Path:
    """Write ``report.json`` and ``report.html`` into the run folder; gives the path of the page.

    Its ``timing`` is what the run took over all its starts, as `Times` tells it; ``manifest.reused`` names the times
    that were taken by earlier starts only, and ``manifest.start_s`` is what this start took.

    Args:
        parts: of the run.
        folder: with the finished stages of the run.
        evaluated: what the report is about.
        times: of this start.
        peak_mb: most memory taken by it.
    """
    data = parts.config.data
    searched = (parts.dataset(name).documents for name in data.evaluate)
    reused, seconds = times.reused(), times.seconds()
    inputs = ReportInputs(
        main=evaluated.main,
        rows=evaluated.rows,
        timing=seconds,
        peak_rss_mb=times.peak_mb(peak_mb),
        manifest={**_manifest(parts, folder), "reused": reused, "start_s": times.elapsed()},
        losses=read_losses(folder),
        examples=evaluated.examples,
        reused=reused,
        thumbnail=parts.config.evaluation.thumbnail,
        texts=all(documents[0].image is None for documents in searched),
    )
    return write_report(folder.path, inputs)[1]


def _manifest(parts: Parts, folder: RunFolder) -> dict[str, Any]:
    """Where the rewriter and the figures come from; what is not in the folder is left out."""
    stages = {name: read_manifest(folder.models / name) for name in STAGES}
    return {
        "raqo": raqo.__version__,
        "seed": parts.config.seed,
        "retriever": parts.encoder_fingerprint,
        "mined_with": _json(folder.retriever).get("fingerprint"),
        "rows": _json(folder.data / MANIFEST).get("rows", {}),
        "mining": _json(folder.mining),
        "stages": {name: _stage(one) for name, one in stages.items() if one},
        "gate": asdict(read_gate(folder)),
        "sha256": _hashes(folder),
        "evaluated": read_evaluation_manifest(folder).get("inputs", {}),
        "config": asdict(parts.config),
    }


def _stage(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Steps and last metrics, and the hashes of what it started from, learnt from, and became."""
    inputs = {name: manifest["inputs"][name] for name in ("base_model", "rows", "code_version")}
    return {"steps": manifest["steps"], **manifest["metrics"], "weights": manifest["weights"], **inputs}


def _hashes(folder: RunFolder) -> dict[str, str]:
    """SHA-256 of what the models were made from; the manifest of the data holds those of all their files."""
    paths = (folder.traces, folder.lexicon, folder.data / MANIFEST, folder.gate)
    return {str(path.relative_to(folder.path)): file_digest(path) for path in paths if path.is_file()}


def _json(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return found
