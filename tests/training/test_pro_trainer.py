from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch

from raqo.errors import DataError
from raqo.training.models import load_model, load_tokenizer
from raqo.training.pro_batch import ListCollator, encode_lists
from raqo.training.pro_trainer import candidate_logps, train_pro
from raqo.training.rows import Pair, RankedList, TrainingData
from raqo.training.settings import LoraSettings, ProSettings

FAST = {"learning_rate": 3e-3, "max_steps": 40, "batch_size": 4, "bf16": False, "save_steps": 0}


def metrics(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("temperature", ["pairwise", "shared", "none"])
def test_learns_the_order_of_the_lists(base_model: Path, data: TrainingData, tmp_path: Path, temperature: str) -> None:
    settings = ProSettings(**FAST, temperature=temperature)
    result = train_pro(data.pro, model_dir=base_model, out_dir=tmp_path, settings=settings)
    first, last = metrics(tmp_path)[0], metrics(tmp_path)[-1]
    assert (result.steps, result.rows) == (40, 4)
    assert last["pair_accuracy"] == last["top1"] == 1.0
    assert first["pair_accuracy"] < 1.0
    assert last["pro_loss"] < first["pro_loss"]
    assert last["nll_best"] < first["nll_best"]


def test_log_probabilities_are_those_of_each_candidate_alone(base_model: Path, data: TrainingData) -> None:
    tokenizer, model = load_tokenizer(base_model), load_model(base_model, dtype="float32", lora=None).eval()
    ragged = [data.pro[0], RankedList("Query: short\nRewrite:", (" a cat", " a much longer dinghy here"), (0.1, 0.9))]
    lists = encode_lists(tokenizer, ragged, [data.ccd[0]], ranking_length=5, max_length=128)
    with torch.no_grad():
        logps, mask = candidate_logps(model, ListCollator(tokenizer.pad_token_id)(lists))
        for row, item in enumerate(lists):
            for column, pair in enumerate(item.candidates):
                logits = model(torch.tensor([pair.prompt + pair.completion])).logits[0, len(pair.prompt) - 1 : -1]
                expected = logits.log_softmax(-1)[range(len(pair.completion)), pair.completion]
                assert logps[row, column][mask[row, column]].tolist() == pytest.approx(expected.tolist(), abs=1e-4)
    assert mask.sum().item() == sum(len(pair.completion) for item in lists for pair in item.candidates)
    assert all(pair.completion[-1] == tokenizer.eos_token_id for item in lists for pair in item.candidates)


def test_the_collator_sorts_and_masks(base_model: Path, data: TrainingData) -> None:
    tokenizer = load_tokenizer(base_model)
    rows = [RankedList("q", (" a", " b", " c"), (1, 3, 2)), RankedList("q", (" a", " b"), (0.5, 0.25))]
    lists = encode_lists(tokenizer, rows, [Pair("d", " e")], ranking_length=5, max_length=64)
    batch = ListCollator(tokenizer.pad_token_id)(lists)
    assert batch["rewards"].tolist() == [[3.0, 2.0, 1.0], [0.5, 0.25, 0.0], [0.0, 0.0, 0.0]]
    assert batch["mask"].sum(1).tolist() == [3, 2, 1]
    assert batch["lengths"].tolist() == [3, 2, 5]
    texts = [tokenizer.decode(pair.completion, skip_special_tokens=True) for pair in lists[0].candidates]
    assert texts == [" b", " c", " a"]


def test_replayed_rows_are_learnt_through_the_likelihood_term(
    base_model: Path, data: TrainingData, tmp_path: Path
) -> None:
    def nll(folder: Path) -> float:
        tokenizer, model = load_tokenizer(folder), load_model(folder, dtype="float32", lora=None).eval()
        lists = encode_lists(tokenizer, [], data.ccd, ranking_length=5, max_length=128)
        with torch.no_grad():
            return -candidate_logps(model, ListCollator(tokenizer.pad_token_id)(lists))[0].sum().item()

    settings = ProSettings(**FAST)
    train_pro(data.pro, model_dir=base_model, out_dir=tmp_path / "without", settings=settings)
    train_pro(data.pro, replay=data.ccd, model_dir=base_model, out_dir=tmp_path / "with", settings=settings)
    assert nll(tmp_path / "with") < 0.8 * nll(tmp_path / "without")


def test_short_lists_and_long_candidates_are_dropped(base_model: Path, data: TrainingData, tmp_path: Path) -> None:
    one = RankedList("Query: x\nRewrite:", (" only",), (1.0,))
    long = RankedList("Query: x\nRewrite:", (" fine", " long" * 100), (1.0, 0.0))
    settings = ProSettings(**{**FAST, "max_steps": 1}, max_length=100)
    result = train_pro([*data.pro, one, long], model_dir=base_model, out_dir=tmp_path, settings=settings)
    assert (result.rows, result.too_long) == (4, 2)
    with pytest.raises(DataError, match="none of 2 lists has two candidates within max_length 100"):
        train_pro([one, long], model_dir=base_model, out_dir=tmp_path, settings=settings)


def test_accumulated_parts_make_the_same_step(base_model: Path, data: TrainingData, tmp_path: Path) -> None:
    norms = []
    for accumulation in (1, 2):
        settings = ProSettings(**{**FAST, "max_steps": 1}, accumulation=accumulation)
        out = tmp_path / str(accumulation)
        norms.append(train_pro(data.pro, model_dir=base_model, out_dir=out, settings=settings).metrics["grad_norm"])
    assert norms[1] == pytest.approx(norms[0], rel=1e-3)


def test_trains_adapters_and_autocast(base_model: Path, data: TrainingData, tmp_path: Path) -> None:
    settings = ProSettings(**{**FAST, "bf16": True, "max_steps": 3}, gradient_checkpointing=True)
    lora = LoraSettings(rank=2, dropout=0.0)
    result = train_pro(data.pro, model_dir=base_model, out_dir=tmp_path, settings=settings, lora=lora)
    assert math.isfinite(result.metrics["pro_loss"])
    assert result.metrics["grad_norm"] > 0
    load_model(tmp_path, dtype="float32", lora=None)
