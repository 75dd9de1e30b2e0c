from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from raqo import _torch_threads
from raqo.training import parts, pro_trainer, sft
from raqo.training.parts import EVEN, PART_TOKENS, PartCollator, draws_numbers, in_parts
from raqo.training.pro_trainer import train_pro
from raqo.training.rows import Pair, TrainingData
from raqo.training.settings import ProSettings, SftSettings
from raqo.training.sft import train_sft
from raqo.training.trainer_setup import TrainResult

ONE_STEP = {"learning_rate": 1e-3, "max_steps": 1, "save_steps": 0}
Train = Callable[[Path], TrainResult]


@given(st.lists(st.tuples(st.integers(1, 90), st.integers(1, 20), st.integers(1, 30)), min_size=1, max_size=80))
def test_parts_hold_every_item_once_by_length_and_share_the_loss(items: list[tuple[int, int, int]]) -> None:
    collator: PartCollator[tuple[int, int, int]] = PartCollator(
        lambda part: {"rows": torch.tensor(part)},
        length=lambda item: item[0],
        tokens=lambda item: item[0] * item[1],
        weight=lambda item: item[2],
    )
    batch = collator(items)
    made = [[tuple(row) for row in part["rows"].tolist()] for part in batch["parts"]]
    assert sorted(item for part in made for item in part) == sorted(items)
    lengths = [item[0] for part in made for item in part]
    assert lengths == sorted(lengths, reverse=True)
    tokens = [sum(item[0] * item[1] for item in part) for part in made]
    assert all(size < PART_TOKENS + part[-1][0] * part[-1][1] for size, part in zip(tokens, made, strict=True))
    assert len(made) <= EVEN * math.ceil(sum(tokens) / (EVEN * PART_TOKENS))
    weights = [sum(item[2] for item in part) for part in made]
    assert batch["shares"] == pytest.approx([weight / sum(weights) for weight in weights])


def ragged(data: TrainingData) -> list[Pair]:
    """Several parts of rows of very different lengths."""
    return [
        Pair(row.prompt.replace("Query:", "Query:" + " a" * (7 * turn)), row.completion)
        for turn in range(6)
        for row in (*data.ccd, *data.qre)
    ]


def sft_step(base_model: Path, data: TrainingData, bf16: bool) -> Train:
    rows = ragged(data)
    settings = SftSettings(**ONE_STEP, bf16=bf16, batch_size=len(rows))
    return lambda out: train_sft(rows, model_dir=base_model, out_dir=out, settings=settings)


def pro_step(base_model: Path, data: TrainingData, bf16: bool) -> Train:
    lists, replay = [*data.pro] * 4, data.ccd
    settings = ProSettings(**ONE_STEP, bf16=bf16, batch_size=len(lists) + len(replay))
    return lambda out: train_pro(lists, replay=replay, model_dir=base_model, out_dir=out, settings=settings)


@pytest.mark.parametrize(("bf16", "near"), [(False, 1e-3), (True, 5e-2)])
@pytest.mark.parametrize(("step", "module"), [(sft_step, sft), (pro_step, pro_trainer)])
def test_a_batch_in_parts_makes_the_step_of_the_whole_batch(
    base_model: Path,
    data: TrainingData,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    step: Callable[[Path, TrainingData, bool], Train],
    module: object,
    bf16: bool,
    near: float,
) -> None:
    monkeypatch.setattr(parts, "PART_TOKENS", 100)
    counts: list[int] = []
    add = parts.add_gradients

    def watch(loss: Any, batches: Sequence[Any], *args: Any, **kwargs: Any) -> Any:
        counts.append(len(batches))
        return add(loss, batches, *args, **kwargs)

    monkeypatch.setattr(parts, "add_gradients", watch)
    train = step(base_model, data, bf16)
    in_parts = train(tmp_path / "parts").metrics
    assert len(counts) == 1
    assert counts[0] > 3
    monkeypatch.setattr(module, "in_parts", lambda model, arguments: False)
    whole = train(tmp_path / "whole").metrics
    assert len(counts) == 1
    assert in_parts == pytest.approx(whole, rel=near)


def test_a_model_that_draws_numbers_learns_one_part_after_the_other(base_model: Path) -> None:
    from transformers import AutoModelForCausalLM

    part = {"input_ids": torch.tensor([[5, 6, 7]]), "attention_mask": torch.ones(1, 3, dtype=torch.long)}
    for dropout in (0.0, 0.5):
        model = AutoModelForCausalLM.from_pretrained(base_model, attention_dropout=dropout).train()
        before = torch.get_rng_state()
        assert draws_numbers(model, part) is (dropout > 0)
        assert torch.equal(torch.get_rng_state(), before)


def test_only_small_models_on_a_cpu_that_take_their_batches_whole_learn_in_parts(
    base_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = torch.nn.Linear(2, 2)
    usual = {"device": torch.device("cpu"), "world_size": 1, "gradient_accumulation_steps": 1}
    assert in_parts(small, SimpleNamespace(**usual))
    for other in ({"device": torch.device("cuda")}, {"world_size": 2}, {"gradient_accumulation_steps": 2}):
        assert not in_parts(small, SimpleNamespace(**usual | other))
    monkeypatch.setattr(_torch_threads, "SMALL", 5)
    assert not in_parts(small, SimpleNamespace(**usual))
