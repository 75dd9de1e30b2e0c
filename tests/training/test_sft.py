from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from safetensors.torch import load_file
from trained_alike import ended_alike

from raqo.errors import DataError
from raqo.training.rows import Pair, TrainingData
from raqo.training.settings import LoraSettings, SftSettings
from raqo.training.sft import train_sft
from raqo.training.trainer_setup import last_checkpoint, total_steps

FAST = SftSettings(learning_rate=4e-3, max_steps=120, batch_size=8, bf16=False, save_steps=0)
Ask = Callable[[Path, Sequence[str]], list[str]]


def weights(folder: Path) -> dict[str, list[float]]:
    return {name: tensor.flatten().tolist() for name, tensor in load_file(folder / "model.safetensors").items()}


def test_learns_rows_by_heart_and_ends_its_answers(
    base_model: Path, data: TrainingData, tmp_path: Path, greedy: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object) -> None:
        raise AssertionError("training opened a connection")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    rows = [*data.ccd, *data.qre]
    seen: list[tuple[int, int]] = []
    result = train_sft(
        rows, model_dir=base_model, out_dir=tmp_path, settings=FAST, progress=lambda *step: seen.append(step)
    )
    assert greedy(tmp_path, [row.prompt for row in rows]) == [row.completion for row in rows]
    assert (result.steps, result.rows, result.too_long) == (120, 8, 0)
    assert seen == [(step, 120) for step in range(1, 121)]
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert {"step", "loss", "lr"} <= lines[0].keys()
    assert lines[-1]["loss"] < 0.1 < lines[0]["loss"]


def test_only_the_completion_and_the_end_are_learnt(base_model: Path, tmp_path: Path) -> None:
    from raqo.training.models import load_model, load_tokenizer
    from raqo.training.tokens import encode_pairs

    row = Pair("Query: a dinghy\nConcepts:", " dinghy")
    once = SftSettings(learning_rate=1e-9, max_steps=1, batch_size=1, bf16=False, save_steps=0)
    result = train_sft([row], model_dir=base_model, out_dir=tmp_path, settings=once)
    import torch

    tokenizer, model = load_tokenizer(base_model), load_model(base_model, dtype="float32", lora=None)
    (pair,) = encode_pairs(tokenizer, [row.prompt], [row.completion])
    assert tokenizer.decode(pair.prompt) == row.prompt
    assert tokenizer.decode(pair.completion) == " dinghy<end>"
    logps = model(torch.tensor([pair.prompt + pair.completion])).logits.log_softmax(-1)[0, len(pair.prompt) - 1 : -1]
    expected = -logps[range(len(pair.completion)), pair.completion].mean().item()
    assert result.metrics["loss"] == pytest.approx(expected, abs=1e-3)


def test_special_tokens_in_the_data_stay_text(base_model: Path) -> None:
    from raqo.training.models import load_tokenizer
    from raqo.training.tokens import encode_pairs

    tokenizer = load_tokenizer(base_model)
    (pair,) = encode_pairs(tokenizer, ["Query: a <end> b"], [" c <end> d"])
    assert tokenizer.eos_token_id not in pair.prompt
    assert pair.completion.count(tokenizer.eos_token_id) == 1


def test_too_long_rows_are_left_out_and_counted(base_model: Path, data: TrainingData, tmp_path: Path) -> None:
    few = SftSettings(learning_rate=1e-3, max_steps=2, batch_size=2, bf16=False, save_steps=0, max_length=60)
    long = Pair("Query: " + "long " * 100, " x")
    result = train_sft([*data.ccd, long], model_dir=base_model, out_dir=tmp_path, settings=few)
    assert (result.rows, result.too_long) == (4, 1)
    with pytest.raises(DataError, match="none of 1 rows fits into max_length 60"):
        train_sft([long], model_dir=base_model, out_dir=tmp_path, settings=few)


def test_adapters_are_merged_into_plain_weights(
    base_model: Path, data: TrainingData, tmp_path: Path, greedy: Ask
) -> None:
    settings = SftSettings(learning_rate=2e-2, max_steps=20, batch_size=4, bf16=False, save_steps=0)
    lora = LoraSettings(rank=4, alpha=8, dropout=0.0)
    train_sft(data.ccd, model_dir=base_model, out_dir=tmp_path, settings=settings, lora=lora)
    before, after = weights(base_model), weights(tmp_path)
    assert before.keys() == after.keys()
    changed = {name.split(".")[-2] for name in before if before[name] != after[name]}
    assert changed == {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}
    assert len(greedy(tmp_path, ["Query: a dinghy here\nConcepts:"])) == 1


def test_a_killed_run_ends_where_an_undisturbed_one_does(base_model: Path, data: TrainingData, tmp_path: Path) -> None:
    settings = SftSettings(learning_rate=4e-3, max_steps=24, batch_size=3, bf16=False, save_steps=5)
    whole = train_sft(data.qre, model_dir=base_model, out_dir=tmp_path / "whole", settings=settings)

    script = f"""
        import os, signal
        from pathlib import Path
        from raqo.training.rows import Pair
        from raqo.training.settings import SftSettings
        from raqo.training.sft import train_sft
        rows = {[(row.prompt, row.completion) for row in data.qre]!r}
        def progress(done, total):
            if done == 13:
                os.kill(os.getpid(), signal.SIGKILL)
        settings = SftSettings(learning_rate=4e-3, max_steps=24, batch_size=3, bf16=False, save_steps=5)
        model, out = Path({str(base_model)!r}), Path({str(tmp_path / "cut")!r})
        train_sft([Pair(*row) for row in rows], model_dir=model, out_dir=out, settings=settings, progress=progress)
    """
    killed = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], env={**os.environ}, capture_output=True)
    assert killed.returncode == -signal.SIGKILL
    checkpoint = last_checkpoint(tmp_path / "cut" / "checkpoints")
    assert checkpoint is not None
    assert checkpoint.name == "checkpoint-10"

    first: list[int] = []
    resumed = train_sft(
        data.qre,
        model_dir=base_model,
        out_dir=tmp_path / "cut",
        settings=settings,
        progress=lambda done, total: first.append(done),
    )
    assert (first[0], resumed.steps) == (11, whole.steps)
    before, expected, got = (
        load_file(folder / "model.safetensors") for folder in (base_model, tmp_path / "whole", tmp_path / "cut")
    )
    assert ended_alike(got, expected, start=before)
    steps = [json.loads(line)["step"] for line in (tmp_path / "cut" / "metrics.jsonl").read_text().splitlines()]
    assert steps == sorted(set(steps))


def test_a_checkpoint_cut_off_while_it_was_written_is_passed_over(tmp_path: Path) -> None:
    for name, state in {
        "checkpoint-5": '{"global_step": 5}',
        "checkpoint-10": '{"global_st',
        "checkpoint-15": None,
    }.items():
        (tmp_path / name).mkdir()
        if state is not None:
            (tmp_path / name / "trainer_state.json").write_text(state)
    assert last_checkpoint(tmp_path) == tmp_path / "checkpoint-5"
    assert last_checkpoint(tmp_path / "nowhere") is None


def test_steps_follow_from_epochs_unless_given() -> None:
    assert total_steps(SftSettings(learning_rate=1, batch_size=8, epochs=3), 17) == 9
    assert total_steps(SftSettings(learning_rate=1, batch_size=8, max_steps=5), 17) == 5
