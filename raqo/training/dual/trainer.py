"""Trains a dual encoder by InfoNCE over in-batch and hard negatives, with the trainer of transformers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import Trainer, TrainingArguments

from raqo.errors import DataError, message
from raqo.retrievers.dual.folder import load_dual, save_dual
from raqo.retrievers.dual.inputs import DualInputs
from raqo.training.dual.info_nce import info_nce, negative_mask
from raqo.training.dual.rows import DualData, DualRow
from raqo.training.dual.settings import DualRunSettings
from raqo.training.trainer_setup import (
    METRICS_FILE,
    Progress,
    StepReports,
    TrainResult,
    run,
    total_steps,
    trainer_arguments,
)


def train_dual_encoder(
    data: DualData,
    *,
    model_dir: Path,
    out_dir: Path,
    settings: DualRunSettings,
    seed: int = 0,
    made_from: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> TrainResult:
    """Learn the rows of `data` and write the dual encoder to `out_dir`.

    A run that was cut off goes on from the last checkpoint in `out_dir`.

    Args:
        data: rows and passages.
        model_dir: the dual encoder to start from (`dual_folder.save_dual`).
        out_dir: receives the dual encoder, ``metrics.jsonl`` and ``checkpoints/``.
        settings: of loss and optimiser.
        seed: of the order of rows and of dropout.
        made_from: kept in the folder's manifest, as ``inputs``.
        progress: called with (steps made, steps in all).

    Raises:
        DataError: fewer than two rows, so that there is no negative; or a picture that cannot be read.
    """
    if len(data.rows) < 2:
        problem = f"expected two rows or more, got {len(data.rows)}"
        raise DataError(message("dual rows", problem, "give questions with targets"))
    start = load_dual(model_dir)
    out_dir.mkdir(parents=True, exist_ok=True)
    arguments = trainer_arguments(settings, out_dir=out_dir, seed=seed, steps=total_steps(settings, len(data.rows)))
    trainer = DualTrainer(
        settings,
        model=start.model,
        args=TrainingArguments(**arguments, remove_unused_columns=False),
        train_dataset=list(data.rows),
        data_collator=DualCollator(start.inputs, data.passages),
        callbacks=[StepReports(out_dir / METRICS_FILE, progress)],
    )
    metrics = run(trainer, out_dir)
    done = {"inputs": dict(made_from or {}), "steps": trainer.state.global_step, "metrics": metrics}
    save_dual(start.model.eval(), start.inputs, out_dir, made_from=done)
    return TrainResult(trainer.state.global_step, len(data.rows), 0, metrics)


class DualCollator:
    """Puts rows into one batch: their questions, and every passage they name once."""

    def __init__(self, inputs: DualInputs, passages: Mapping[str, str]) -> None:
        self._inputs = inputs
        self._passages = passages

    def __call__(self, rows: Sequence[DualRow]) -> dict[str, Any]:
        """Make tensors of B rows and their P distinct passages.

        Returns:
            ``questions`` and ``passages`` for the encoder, ``positives`` (B,) and ``negatives`` (B, P) for the loss.
        """
        ids = list(dict.fromkeys([row.positive for row in rows] + [row.negative for row in rows if row.negative]))
        columns = {one: column for column, one in enumerate(ids)}
        return {
            "questions": self._inputs.questions([row.text for row in rows], [row.image for row in rows]),
            "passages": self._inputs.passages([self._passages[one] for one in ids]),
            "positives": torch.tensor([columns[row.positive] for row in rows]),
            "negatives": negative_mask(ids, [row.known for row in rows]),
        }


class DualTrainer(Trainer):  # type: ignore[misc]
    """Minimises InfoNCE; logs how often the right passage scores highest in its batch."""

    # the loss is a mean over questions: the trainer divides it by the number of accumulated parts
    loss_is_scaled_for_ga = False

    def __init__(self, settings: DualRunSettings, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._settings = settings
        self._seen: dict[str, list[Tensor]] = defaultdict(list)

    def compute_loss(self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, **kwargs: Any) -> Tensor:
        """InfoNCE of one batch."""
        scores = model(inputs["questions"], inputs["passages"])
        positives, negatives = inputs["positives"], inputs["negatives"]
        with torch.no_grad():
            own = scores.gather(1, positives[:, None])
            beaten = (scores.masked_fill(~negatives, float("-inf")) >= own).any(dim=1)
            self._seen["top1"].append((~beaten).float().mean())
        return info_nce(scores, positives, negatives, temperature=self._settings.temperature)

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Add the means since the last report."""
        means = {name: torch.stack(values).mean().item() for name, values in self._seen.items() if values}
        self._seen.clear()
        super().log({**logs, **means}, start_time)
