"""The steps of a run on its folder, with their times and what they reuse."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from raqo.config import IfExists
from raqo.training.pipeline import Stage, StageResult
from raqo.workflows.build_data import Built, run_build
from raqo.workflows.evaluate import Evaluated
from raqo.workflows.kept_evaluation import evaluate
from raqo.workflows.mine import run_mining
from raqo.workflows.parts import Parts
from raqo.workflows.run_folder import RunFolder
from raqo.workflows.times import Reused, Times
from raqo.workflows.train import STAGES, run_ablation, run_training


def mine_step(
    parts: Parts,
    folder: RunFolder,
    times: Times,
    *,
    if_exists: IfExists,
    budget: float | None = None,
    cached: bool = True,
    retry_failed: bool = False,
) -> dict[str, Any]:
    """`raqo.workflows.mine.run_mining`, timed."""
    with times.step("mine") as work:
        found = run_mining(parts, folder, if_exists=if_exists, budget=budget, cached=cached, retry_failed=retry_failed)
        work.reused = _share(found["skipped"], found["queries"])
    return found


def build_step(parts: Parts, folder: RunFolder, times: Times) -> Built:
    """`raqo.workflows.build_data.run_build`, timed; it is made anew each time."""
    with times.step("build-data") as work:
        built = run_build(parts, folder)
        work.reused = "nothing"
    return built


def train_step(
    parts: Parts,
    folder: RunFolder,
    times: Times,
    *,
    if_exists: IfExists,
    stages: Sequence[Stage] = STAGES,
    ablation: bool = False,
) -> list[StageResult]:
    """`raqo.workflows.train.run_training`, timed; with `ablation` followed by that of the paper, which is not given."""
    with times.step("train") as work:
        results = run_training(parts, folder, stages=stages, if_exists=if_exists)
        further = run_ablation(parts, folder, if_exists=if_exists) if ablation else []
        reused = [result.reused for result in (*results, *further)]
        work.reused = _share(sum(reused), len(reused) - sum(reused))
        if stages[0] != STAGES[0] and work.reused == "nothing":
            work.reused = "in part"  # it stands on stages that were there
    return results


def evaluate_step(parts: Parts, folder: RunFolder, times: Times) -> Evaluated:
    """`raqo.workflows.kept_evaluation.evaluate`, timed."""
    with times.step("evaluate") as work:
        evaluated, kept = evaluate(parts, folder)
        work.reused = "all" if kept else "nothing"
    return evaluated


def _share(old: int, new: int) -> Reused:
    if not new:
        return "all"
    return "in part" if old else "nothing"
