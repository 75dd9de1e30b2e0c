"""Supervised fine-tuning (CCD-SFT and QRE-SFT; RAQO, Eq. 1 and 2) with TRL's trainer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from torch import Tensor
from trl import SFTConfig, SFTTrainer

from raqo.errors import DataError, message
from raqo.training.completions import completion_logps, pad_pairs
from raqo.training.models import load_model, load_tokenizer, save_model
from raqo.training.parts import PartCollator, PartsTrainer, in_parts
from raqo.training.rows import Pair
from raqo.training.settings import LoraSettings, SftSettings, WeightsDtype
from raqo.training.tokens import TokenPair, encode_pairs
from raqo.training.trainer_setup import (
    METRICS_FILE,
    Progress,
    StepReports,
    TrainResult,
    run,
    total_steps,
    trainer_arguments,
)

IGNORED = -100
Row = dict[str, list[int]]


def train_sft(
    rows: Sequence[Pair],
    *,
    model_dir: Path,
    out_dir: Path,
    settings: SftSettings,
    lora: LoraSettings | None = None,
    dtype: WeightsDtype = "float32",
    seed: int = 0,
    progress: Progress | None = None,
) -> TrainResult:
    """Minimise the cross-entropy of the completions and write the model to `out_dir`.

    A run that was cut off goes on from the last checkpoint in `out_dir`; nothing is sent over the network.

    Args:
        rows: prompt and completion; the completion starts with the blank that parts them.
        model_dir: the model to start from.
        out_dir: receives weights (adapters merged), tokenizer, ``metrics.jsonl`` and ``checkpoints/``.
        settings: of the optimiser.
        lora: adapters instead of full weights.
        dtype: of the weights.
        seed: of the order of rows and of dropout.
        progress: called with (steps made, steps in all).

    Raises:
        DataError: no row fits into ``settings.max_length``.
    """
    tokenizer = load_tokenizer(model_dir)
    pairs = encode_pairs(tokenizer, [row.prompt for row in rows], [row.completion for row in rows])
    kept = [pair for pair in pairs if len(pair) <= settings.max_length]
    if not kept:
        problem = f"none of {len(rows)} rows fits into max_length {settings.max_length}"
        raise DataError(message("SFT rows", problem, "give rows or raise max_length"))
    out_dir.mkdir(parents=True, exist_ok=True)
    steps = total_steps(settings, len(kept))
    arguments = SFTConfig(
        **trainer_arguments(settings, out_dir=out_dir, seed=seed, steps=steps),
        max_length=settings.max_length,
        dataset_kwargs={"skip_prepare_dataset": True},
    )
    model, collator = load_model(model_dir, dtype=dtype, lora=lora), PairCollator(tokenizer.pad_token_id)
    trainer = _PairTrainer(
        model=model,
        args=arguments,
        train_dataset=_dataset(kept),
        processing_class=tokenizer,
        data_collator=pair_parts(collator) if in_parts(model, arguments) else collator,
        callbacks=[StepReports(out_dir / METRICS_FILE, progress)],
    )
    metrics = run(trainer, out_dir)
    save_model(trainer.model, tokenizer, out_dir)
    return TrainResult(trainer.state.global_step, len(kept), len(pairs) - len(kept), metrics)


class PairCollator:
    """Makes a batch of N rows: token ids, and labels that leave out the prompts."""

    def __init__(self, pad_id: int) -> None:
        self._pad_id = pad_id

    def __call__(self, rows: Sequence[Row]) -> dict[str, Tensor]:
        """Build what `pad_pairs` does, and ``labels`` (N, P + C)."""
        batch = pad_pairs([_pair(row) for row in rows], self._pad_id)
        chosen = batch["completion_mask"]
        labels = torch.full_like(batch["input_ids"], IGNORED)
        labels[:, -chosen.shape[1] :][chosen] = batch["input_ids"][:, -chosen.shape[1] :][chosen]
        return {**batch, "labels": labels}


def pair_parts(collator: PairCollator) -> PartCollator[Row]:
    """Collate rows as parts; what a row weighs is the tokens that are learnt."""
    return PartCollator(
        collator,
        length=lambda row: len(row["input_ids"]),
        tokens=lambda row: len(row["input_ids"]),
        weight=lambda row: len(row["labels"]) - row["labels"].count(IGNORED),
    )


class _PairTrainer(PartsTrainer, SFTTrainer):  # type: ignore[misc]
    """TRL's trainer without its telemetry, and as fast as a plain loop on a CPU."""

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """Make logits of the completions only on a CPU, where TRL's tiled loss, made for GPUs, is slow."""
        if return_outputs or inputs["labels"].device.type != "cpu":
            known = {name: value for name, value in inputs.items() if name != "completion_mask"}
            return super().compute_loss(model, known, return_outputs, num_items_in_batch)
        logps = completion_logps(model, inputs)
        return -logps.sum() / (len(logps) if num_items_in_batch is None else num_items_in_batch)

    def _send_telemetry(self) -> None:
        pass


def _dataset(pairs: Sequence[TokenPair]) -> Any:
    """Token ids and labels; the prompt is not learnt."""
    return Dataset.from_dict(
        {
            "input_ids": [pair.prompt + pair.completion for pair in pairs],
            "labels": [[IGNORED] * len(pair.prompt) + pair.completion for pair in pairs],
        }
    )


def _pair(row: Row) -> TokenPair:
    start = row["labels"].count(IGNORED)
    return TokenPair(row["input_ids"][:start], row["input_ids"][start:])
