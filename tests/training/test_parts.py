from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from trained_alike import ended_alike

from raqo.training import pro_trainer, sft
from raqo.training.parts import EVEN, PART_TOKENS, PartCollator
from raqo.training.pro_trainer import train_pro
from raqo.training.rows import Pair, TrainingData
from raqo.training.settings import ProSettings, SftSettings
from raqo.training.sft import train_sft
from raqo.training.trainer_setup import TrainResult

ONE_STEP = {"learning_rate": 1e-3, "max_steps": 1, "bf16": False, "save_steps": 0}
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
    parts = [[tuple(row) for row in part["rows"].tolist()] for part in batch["parts"]]
    assert sorted(item for part in parts for item in part) == sorted(items)
    lengths = [item[0] for part in parts for item in part]
    assert lengths == sorted(lengths, reverse=True)
    tokens = [sum(item[0] * item[1] for item in part) for part in parts]
    assert all(size < PART_TOKENS + part[-1][0] * part[-1][1] for size, part in zip(tokens, parts, strict=True))
    assert len(parts) <= EVEN * math.ceil(sum(tokens) / (EVEN * PART_TOKENS))
    weights = [sum(item[2] for item in part) for part in parts]
    assert batch["shares"] == pytest.approx([weight / sum(weights) for weight in weights])


def ragged(data: TrainingData) -> list[Pair]:
    """Several parts of rows of very different lengths."""
    return [
        Pair(row.prompt.replace("Query:", "Query:" + " a" * (7 * turn)), row.completion)
        for turn in range(6)
        for row in (*data.ccd, *data.qre)
    ]


def sft_step(base_model: Path, data: TrainingData) -> Train:
    rows = ragged(data)
    settings = SftSettings(**ONE_STEP, batch_size=len(rows))
    return lambda out: train_sft(rows, model_dir=base_model, out_dir=out, settings=settings)


def pro_step(base_model: Path, data: TrainingData) -> Train:
    lists, replay = [*data.pro] * 4, data.ccd
    settings = ProSettings(**ONE_STEP, batch_size=len(lists) + len(replay))
    return lambda out: train_pro(lists, replay=replay, model_dir=base_model, out_dir=out, settings=settings)


@pytest.mark.parametrize(("step", "module"), [(sft_step, sft), (pro_step, pro_trainer)])
def test_a_batch_in_parts_makes_the_step_of_the_whole_batch(
    base_model: Path,
    data: TrainingData,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    step: Callable[[Path, TrainingData], Train],
    module: object,
) -> None:
    train = step(base_model, data)
    parts = train(tmp_path / "parts").metrics
    monkeypatch.setattr(module, "in_parts", lambda model, arguments: False)
    whole = train(tmp_path / "whole").metrics
    assert parts["loss"] == pytest.approx(whole["loss"], rel=1e-3)
    assert parts["grad_norm"] == pytest.approx(whole["grad_norm"], rel=1e-3)


def test_a_model_with_dropout_ends_alike_each_time(base_model: Path, data: TrainingData, tmp_path: Path) -> None:
    model = tmp_path / "model"
    model.mkdir()
    for file in base_model.iterdir():
        (model / file.name).write_bytes(file.read_bytes())
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps({**config, "attention_dropout": 0.5}))
    settings = SftSettings(learning_rate=4e-3, max_steps=10, batch_size=48, bf16=False, save_steps=0)
    for name in ("one", "two"):
        train_sft(ragged(data), model_dir=model, out_dir=tmp_path / name, settings=settings)
    start, one, two = (load_file(tmp_path / name / "model.safetensors") for name in ("model", "one", "two"))
    assert ended_alike(one, two, start=start)
