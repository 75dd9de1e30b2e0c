"""`raqo demo`: the closed loop from mining to the table, on the sample world or on any configuration."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

import raqo
from raqo import config_loader
from raqo.config import IfExists, RunConfig
from raqo.evaluation.report import ReportInputs, write_report
from raqo.evaluation.table import format_table
from raqo.workflows.build_data import read_gate, run_build
from raqo.workflows.evaluate import Evaluated, read_losses, run_evaluation
from raqo.workflows.memory import PeakMemory
from raqo.workflows.mine import run_mining
from raqo.workflows.parts import Parts
from raqo.workflows.progress import say
from raqo.workflows.run_folder import RunFolder, open_run
from raqo.workflows.train import run_ablation, run_training

T = TypeVar("T")


def demo_config(*, quick: bool, overrides: tuple[str, ...] = ()) -> RunConfig:
    """The sample's own configuration: the whole demo, or the quick one."""
    name = "sample_quick.yaml" if quick else "sample.yaml"
    with resources.as_file(resources.files("raqo.sample") / name) as path:
        return config_loader.load(RunConfig, path, overrides)


def run_all(config: RunConfig, out: Path, *, if_exists: IfExists = "replace") -> tuple[str, Path]:
    """Mine, build, train, evaluate and report into one run folder; what is valid there already is reused.

    Returns:
        The table as text, and the path of ``report.html``.
    """
    started = time.monotonic()
    folder = open_run(out, config, if_exists)
    parts = Parts(config)
    seconds: dict[str, float] = {}
    with PeakMemory() as memory:
        mined = _timed("mine_s", seconds, lambda: run_mining(parts, folder, if_exists=if_exists))
        rows = _timed("mine_s", seconds, lambda: run_build(parts, folder))
        say(f"data: {', '.join(f'{count} {name}' for name, count in rows.items())} rows; gate {read_gate(folder)}")
        trained = _timed("train_s", seconds, lambda: _train(config, parts, folder, if_exists))
        evaluated = _timed("evaluate_s", seconds, lambda: run_evaluation(parts, folder))
    seconds["total_s"] = time.monotonic() - started
    manifest = {
        "raqo": raqo.__version__,
        "seed": config.seed,
        "retriever": parts.encoder_fingerprint,
        "rows": rows,
        "mining": mined,
        "stages": trained,
        "gate": asdict(read_gate(folder)),
        "config": asdict(config),
    }
    _, page = write_report(folder.path, _inputs(config, folder, evaluated, seconds, memory.peak_mb, manifest))
    return format_table(evaluated.rows), page


def _train(config: RunConfig, parts: Parts, folder: RunFolder, if_exists: IfExists) -> dict[str, Any]:
    results = run_training(parts, folder, if_exists=if_exists)
    if config.ablations:
        run_ablation(parts, folder, if_exists=if_exists)
    return {result.stage: {"steps": result.steps, **result.metrics} for result in results}


def _timed(name: str, seconds: dict[str, float], work: Callable[[], T]) -> T:
    started = time.monotonic()
    done = work()
    seconds[name] = seconds.get(name, 0.0) + time.monotonic() - started
    return done


def _inputs(
    config: RunConfig,
    folder: RunFolder,
    evaluated: Evaluated,
    seconds: dict[str, float],
    peak_mb: float,
    manifest: dict[str, Any],
) -> ReportInputs:
    return ReportInputs(
        main=evaluated.main,
        rows=evaluated.rows,
        timing=seconds,
        peak_rss_mb=peak_mb,
        manifest=manifest,
        losses=read_losses(folder),
        examples=evaluated.examples,
        thumbnail=config.evaluation.thumbnail,
    )
