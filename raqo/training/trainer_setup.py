"""What both trainers share: arguments that cost nothing per step, the metrics log, and resuming after a kill."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import PrinterCallback, TrainerCallback

from raqo._transformers import quiet_transformers
from raqo.training.settings import OptimiserSettings

Progress = Callable[[int, int], None]
METRICS_FILE = "metrics.jsonl"
CHECKPOINTS = "checkpoints"


@dataclass(frozen=True, slots=True)
class TrainResult:
    """What one training run did: optimiser steps, rows learnt, rows left out as too long, last logged metrics."""

    steps: int
    rows: int
    too_long: int
    metrics: dict[str, float]


def trainer_arguments(settings: OptimiserSettings, *, out_dir: Path, seed: int, steps: int) -> dict[str, Any]:
    """Arguments for `transformers.TrainingArguments` and its subclasses."""
    cuda = torch.cuda.is_available()
    return {
        "output_dir": str(out_dir / CHECKPOINTS),
        "use_cpu": not cuda,
        "bf16": settings.bf16,
        "per_device_train_batch_size": settings.batch_size // settings.accumulation,
        "gradient_accumulation_steps": settings.accumulation,
        "max_steps": steps,
        "learning_rate": settings.learning_rate,
        "weight_decay": settings.weight_decay,
        "max_grad_norm": settings.max_grad_norm,
        "lr_scheduler_type": settings.lr_scheduler,
        "warmup_steps": round(settings.warmup_ratio * steps),
        "activation_checkpointing": settings.gradient_checkpointing,
        "seed": seed,
        "data_seed": seed,
        "logging_steps": max(1, steps // 100),
        "save_strategy": "steps" if settings.save_steps else "no",
        "save_steps": settings.save_steps or 1,
        "save_total_limit": 1,
        "report_to": "none",
        "disable_tqdm": True,
        "dataloader_pin_memory": cuda,
        "average_tokens_across_devices": False,
        "push_to_hub": False,
    }


def total_steps(settings: OptimiserSettings, rows: int) -> int:
    """Optimiser steps for so many rows; the last batch of an epoch may be short."""
    return settings.max_steps or max(1, round(settings.epochs * -(-rows // settings.batch_size)))


def run(trainer: Any, out_dir: Path) -> dict[str, float]:
    """Train from the last whole checkpoint, or from the start; return the last logged metrics."""
    checkpoint = last_checkpoint(out_dir / CHECKPOINTS)
    for path in (out_dir / CHECKPOINTS).glob("checkpoint-*"):
        if path != checkpoint:  # cut off: the trainer would take it for the newest and delete the next one instead
            shutil.rmtree(path)
    _forget_after(out_dir / METRICS_FILE, int(checkpoint.name.split("-")[-1]) if checkpoint else 0)
    trainer.remove_callback(PrinterCallback)
    with quiet_transformers():
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    lines = (out_dir / METRICS_FILE).read_text(encoding="utf-8").splitlines()
    return dict(json.loads(lines[-1])) if lines else {}


def last_checkpoint(folder: Path) -> Path | None:
    """The newest checkpoint that was written to its end; a later one cut off by a kill is passed over."""
    found = sorted(folder.glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[-1]), reverse=True)
    return next((path for path in found if _is_whole(path)), None)


class StepReports(TrainerCallback):  # type: ignore[misc]
    """Appends what the trainer logs to a JSON-lines file and reports each step."""

    def __init__(self, path: Path, progress: Progress | None) -> None:
        self._path = path
        self._progress = progress

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **kwargs: Any) -> None:
        """Write one line per logging interval; the closing summary (wall-clock figures) is left out."""
        if not logs or "train_runtime" in logs:
            return
        line = {"step": state.global_step, **{("lr" if key == "learning_rate" else key): logs[key] for key in logs}}
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Tell how far training is."""
        if self._progress:
            self._progress(state.global_step, state.max_steps)


def _is_whole(checkpoint: Path) -> bool:
    # the trainer writes this file last
    try:
        json.loads((checkpoint / "trainer_state.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return True


def _forget_after(path: Path, step: int) -> None:
    """Drop the lines of steps that will be made again (a line cut off by a kill too)."""
    kept = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        try:
            if json.loads(line)["step"] <= step:
                kept.append(line + "\n")
        except ValueError:
            break
    path.write_text("".join(kept), encoding="utf-8")
