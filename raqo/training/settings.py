"""Settings of the three training stages; the defaults are the paper's where it states them. Loads no torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from raqo.errors import ConfigError, message

Temperature = Literal["pairwise", "shared", "none"]
Rescale = Literal["minmax", "zscore", "scale", "none"]
Reduction = Literal["sum", "mean"]
WeightsDtype = Literal["float32", "bfloat16"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OptimiserSettings:
    """How one training run is optimised (AdamW).

    Attributes:
        learning_rate: peak of the schedule.
        epochs: passes over the rows; ignored where `max_steps` is given.
        batch_size: rows per optimiser step (of one process).
        accumulation: parts a batch is split into when it does not fit into memory; must divide `batch_size`.
        max_steps: optimiser steps in all, instead of `epochs`.
        warmup_ratio: share of the steps with a rising learning rate.
        bf16: bfloat16 autocast around the forward pass; the weights keep their dtype.
        save_steps: steps between checkpoints to resume from; 0 for none.
    """

    learning_rate: float
    epochs: float = 3.0
    batch_size: int = 8
    accumulation: int = 1
    max_steps: int | None = None
    warmup_ratio: float = 0.03
    weight_decay: float = 0.0
    lr_scheduler: Literal["linear", "cosine", "constant_with_warmup"] = "cosine"
    max_grad_norm: float = 1.0
    bf16: bool = True
    gradient_checkpointing: bool = False
    save_steps: int = 500

    def __post_init__(self) -> None:
        for name in ("learning_rate", "epochs", "batch_size", "accumulation", "max_grad_norm"):
            _require(getattr(self, name) > 0, name, "more than 0", getattr(self, name))
        for name in ("warmup_ratio", "weight_decay", "save_steps"):
            _require(getattr(self, name) >= 0, name, "at least 0", getattr(self, name))
        _require(self.max_steps is None or self.max_steps > 0, "max_steps", "more than 0 or null", self.max_steps)
        divides = self.batch_size % self.accumulation == 0
        _require(divides, "accumulation", f"a divisor of batch_size {self.batch_size}", self.accumulation)


@dataclass(frozen=True, slots=True, kw_only=True)
class SftSettings(OptimiserSettings):
    """One stage of a language model.

    Attributes:
        max_length: tokens of prompt and completion; longer rows are left out and counted.
        replay: rows of challenging concept detection mixed in again, as a share of this stage's rows. ReCoT asks one
            model for both steps, and a small one forgets the first while it learns the second. The paper states none.
    """

    max_length: int = 512
    replay: float = 0.0

    def __post_init__(self) -> None:
        # `super()` does not work in a dataclass with slots
        OptimiserSettings.__post_init__(self)
        _require(self.max_length > 0, "max_length", "more than 0", self.max_length)
        _require(self.replay >= 0, "replay", "at least 0", self.replay)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProSettings(SftSettings):
    """Preference ranking optimisation; `batch_size` counts lists, not candidates.

    Attributes:
        ranking_length: candidates taken of each list, best first.
        temperature: ``pairwise`` as in the reference code of PRO, ``shared`` as RAQO's Eq. 3 is printed, ``none``.
        rescale: what is done to the rewards of a list. Cosines of a CLIP model differ by hundredths, which makes the
            loss flat.
        reward_scale: factor of ``rescale: scale`` (CLIP's logit scale is 100).
        sft_weight: weight of the likelihood of the best candidate, as in the reference code of PRO; RAQO's equation has
            none (0). Replayed rows are learnt through this term.
        sft_reduction: whether that likelihood is the sum (reference) or the mean over tokens.
    """

    learning_rate: float = 5e-7
    epochs: float = 4.0
    batch_size: int = 16
    ranking_length: int = 5
    temperature: Temperature = "pairwise"
    rescale: Rescale = "minmax"
    reward_scale: float = 100.0
    sft_weight: float = 0.05
    sft_reduction: Reduction = "sum"

    def __post_init__(self) -> None:
        SftSettings.__post_init__(self)
        _require(self.ranking_length >= 2, "ranking_length", "at least 2", self.ranking_length)
        _require(self.reward_scale > 0, "reward_scale", "more than 0", self.reward_scale)
        _require(self.sft_weight >= 0, "sft_weight", "at least 0", self.sft_weight)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoraSettings:
    """Low-rank adapters instead of full weights; they are merged into the weights at the end of each stage."""

    rank: int = 16
    alpha: int = 32
    dropout: float = 0.05
    target_modules: str | tuple[str, ...] = "all-linear"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSettings:
    """The chain of stages.

    Attributes:
        model: the language model to start from: a folder, a Hugging Face name, or ``sample``.
        unknown_words: file with words, one a line, that stand for what the corpus never had in further detection rows
            (``sample``: the sample's list); None for none.
        unknown_share: such rows for each row of detection.
        fragments: rows with a part of a query for each row of a whole one (`raqo.training.fragments`).
        dtype: of the weights as loaded, trained and saved. Full training in bfloat16 loses updates at the paper's
            learning rates; use it with `lora`.
    """

    model: str = "sample"
    ccd: SftSettings = field(default_factory=lambda: SftSettings(learning_rate=2e-5))
    qre: SftSettings = field(default_factory=lambda: SftSettings(learning_rate=1e-5, replay=0.5))
    pro: ProSettings = field(default_factory=lambda: ProSettings(replay=0.25))
    lora: LoraSettings | None = None
    unknown_words: str | None = None
    unknown_share: float = 0.7
    fragments: float = 0.0
    dtype: WeightsDtype = "float32"
    seed: int = 0


def _require(holds: bool, name: str, expected: str, got: Any) -> None:
    if not holds:
        raise ConfigError(message(name, f"expected {expected}, got {got!r}", "correct the value"))
