"""`raqo demo`: the closed loop from mining to the table, on the sample world or on any configuration."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from raqo import config_loader
from raqo.config import IfExists, RunConfig
from raqo.errors import DataError, message
from raqo.evaluation.table import format_table
from raqo.workflows.build_data import Built
from raqo.workflows.checks import say_shared
from raqo.workflows.evaluate import require_evaluation_sets
from raqo.workflows.memory import PeakMemory
from raqo.workflows.parts import Parts
from raqo.workflows.progress import say
from raqo.workflows.report import report_run
from raqo.workflows.run_folder import RunFolder, open_run
from raqo.workflows.steps import build_step, evaluate_step, mine_step, train_step
from raqo.workflows.times import Times
from raqo.workflows.toy_model import say_toy


def demo_config(*, quick: bool, overrides: tuple[str, ...] = ()) -> RunConfig:
    """The sample's own configuration: the whole demo, or the quick one."""
    name = "sample_quick.yaml" if quick else "sample.yaml"
    with resources.as_file(resources.files("raqo.sample") / name) as path:
        return config_loader.load(RunConfig, path, overrides)


def run_all(config: RunConfig, out: Path, *, if_exists: IfExists = "replace") -> tuple[str, Path]:
    """Mine, build, train, evaluate and report into one run folder; what is valid there already is reused.

    Returns:
        The table as text, and the path of ``report.html``.

    Raises:
        ConfigError: among others, no model to train or no data to evaluate on; said before anything is mined.
        DataError: mining gave nothing to train on.
    """
    times = Times(out)
    folder, parts = open_run(out, if_exists), Parts(config)
    _check_ends(parts)
    with PeakMemory() as memory:
        mine_step(parts, folder, times, if_exists=if_exists)
        built = build_step(parts, folder, times)
        say(f"data: {built.summary()}")
        _require_rows(built, folder)
        train_step(parts, folder, times, if_exists=if_exists, ablation=config.ablations)
        evaluated = evaluate_step(parts, folder, times)
    page = report_run(parts, folder, evaluated, times=times, peak_mb=memory.peak_mb)
    return format_table(evaluated.rows), page


def _check_ends(parts: Parts) -> None:
    """What the last steps need is looked at before the first one takes hours."""
    _ = parts.base_model
    say_toy(parts.config)
    require_evaluation_sets(parts)
    for name in parts.config.data.evaluate:
        say_shared(parts.dataset("train"), parts.dataset(name))


def _require_rows(built: Built, folder: RunFolder) -> None:
    empty = [name for name in ("ccd", "qre", "pro") if not built.rows[name]]
    if empty:
        fix = "mine more queries, or lower build.min_text_similarity where that left most out"
        raise DataError(message(str(folder.data), f"no rows for {', '.join(empty)} to train on", fix))
