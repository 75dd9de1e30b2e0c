"""Preference ranking optimisation: a transformers trainer around `pro_loss`."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import TrainingArguments

from raqo.errors import DataError, message
from raqo.training.completions import completion_logps
from raqo.training.models import load_model, load_tokenizer, save_model
from raqo.training.parts import PartCollator, PartsTrainer, in_parts
from raqo.training.pro_batch import ListCollator, TokenList, encode_lists
from raqo.training.pro_loss import (
    Counts,
    best_nll,
    candidate_scores,
    pro_loss,
    ranking_accuracy,
    rescale_rewards,
    sft_term,
)
from raqo.training.rows import Pair, RankedList
from raqo.training.settings import LoraSettings, ProSettings, WeightsDtype
from raqo.training.trainer_setup import (
    METRICS_FILE,
    Progress,
    StepReports,
    TrainResult,
    run,
    total_steps,
    trainer_arguments,
)


def train_pro(
    rows: Sequence[RankedList],
    *,
    model_dir: Path,
    out_dir: Path,
    settings: ProSettings,
    replay: Sequence[Pair] = (),
    lora: LoraSettings | None = None,
    dtype: WeightsDtype = "float32",
    seed: int = 0,
    progress: Progress | None = None,
) -> TrainResult:
    """Minimise PRO's loss (RAQO, Eq. 3) plus its likelihood term and write the model to `out_dir`.

    Everything else is as in `raqo.training.sft.train_sft`.

    Args:
        rows: lists of candidates with rewards, in any order.
        model_dir: the model to start from.
        out_dir: receives the model, ``metrics.jsonl`` and ``checkpoints/``.
        settings: of loss and optimiser.
        replay: pairs that are only to stay likely (see `SftSettings.replay`).
        lora: adapters instead of full weights.
        dtype: of the weights.
        seed: of the order of lists and of dropout.
        progress: called with (steps made, steps in all).

    Raises:
        DataError: no list has two candidates that fit into ``settings.max_length``.
    """
    tokenizer = load_tokenizer(model_dir)
    lists = encode_lists(
        tokenizer, rows, replay, ranking_length=settings.ranking_length, max_length=settings.max_length
    )
    if not any(len(item.rewards) > 1 for item in lists):
        problem = f"none of {len(rows)} lists has two candidates within max_length {settings.max_length}"
        raise DataError(message("PRO rows", problem, "mine more rewrites per query or raise max_length"))
    out_dir.mkdir(parents=True, exist_ok=True)
    arguments = TrainingArguments(
        **trainer_arguments(settings, out_dir=out_dir, seed=seed, steps=total_steps(settings, len(lists))),
        remove_unused_columns=False,
    )
    model, collator = load_model(model_dir, dtype=dtype, lora=lora), ListCollator(tokenizer.pad_token_id)
    trainer = ProTrainer(
        settings,
        model=model,
        args=arguments,
        train_dataset=lists,
        data_collator=list_parts(collator) if in_parts(model, arguments) else collator,
        callbacks=[StepReports(out_dir / METRICS_FILE, progress)],
    )
    metrics = run(trainer, out_dir)
    save_model(trainer.model, tokenizer, out_dir)
    return TrainResult(trainer.state.global_step, len(lists), len(rows) + len(replay) - len(lists), metrics)


def list_parts(collator: ListCollator) -> PartCollator[TokenList]:
    """Collate lists as parts; each list weighs the same."""
    return PartCollator(
        collator,
        length=lambda item: max(len(pair) for pair in item.candidates),
        tokens=lambda item: sum(len(pair) for pair in item.candidates),
        weight=lambda item: 1.0,
    )


class ProTrainer(PartsTrainer):
    """Trains on batches of `ListCollator`; logs the parts of the loss and how well the lists are ordered."""

    # the loss is a mean over lists: the trainer divides it by the number of accumulated parts
    loss_is_scaled_for_ga = False

    def __init__(self, settings: ProSettings, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._settings = settings
        self._seen: dict[str, list[Counts]] = defaultdict(list)

    def compute_loss(
        self, model: Any, inputs: dict[str, Tensor], return_outputs: bool = False, **kwargs: Any
    ) -> Tensor:
        """PRO's objective for one batch."""
        settings, mask = self._settings, inputs["mask"]
        logps, token_mask = candidate_logps(model, inputs)
        scores = candidate_scores(logps, token_mask)
        rewards = rescale_rewards(inputs["rewards"], mask, how=settings.rescale, scale=settings.reward_scale)
        ranking = pro_loss(scores, rewards, mask, temperature=settings.temperature)
        likelihood = best_nll(logps, token_mask, reduction=settings.sft_reduction)
        pairs, top = ranking_accuracy(scores.detach(), rewards, mask)
        size = torch.tensor(len(mask))
        report = {
            "pro_loss": (ranking.detach() * size, size),
            "nll_best": (likelihood.detach().sum(), size),
            "pair_accuracy": pairs,
            "top1": top,
        }
        for name, counts in report.items():
            self._seen[name].append(counts)
        return ranking + sft_term(likelihood, inputs["lengths"], weight=settings.sft_weight)

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Add the means since the last report."""
        means = {name: _mean(counts) for name, counts in self._seen.items()}
        self._seen.clear()
        super().log({**logs, **means}, start_time)


def _mean(counts: Sequence[Counts]) -> float:
    """Over all parts; exact sums, as parts come in the order in which they ended. NaN where there is nothing."""
    total = math.fsum(size.item() for _, size in counts)
    return math.fsum(part.item() for part, _ in counts) / total if total else math.nan


def candidate_logps(model: Any, inputs: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Log-probabilities of all completion tokens of all candidates in one forward pass.

    Returns:
        Log-probabilities and mask, both (B, K, C), end tokens included; 0 and False in the padding.
    """
    mask, chosen = inputs["mask"], inputs["completion_mask"]
    flat = torch.zeros(chosen.shape, device=chosen.device)
    flat[chosen] = completion_logps(model, inputs)
    logps = flat.new_zeros((*mask.shape, chosen.shape[1]))
    token_mask = torch.zeros_like(logps, dtype=torch.bool)
    logps[mask], token_mask[mask] = flat, chosen
    return logps, token_mask
