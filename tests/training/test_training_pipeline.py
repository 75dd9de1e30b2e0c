from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from raqo.agents.rewriter import LocalRewriter, weights_hash
from raqo.errors import ConfigError, DataError, FingerprintError, RunFolderError
from raqo.training.pipeline import train_stages
from raqo.training.rows import Pair, TrainingData, read_training_data
from raqo.training.settings import ProSettings, SftSettings, TrainingSettings

COMMON = {"batch_size": 8, "bf16": False, "save_steps": 0}
SETTINGS = TrainingSettings(
    ccd=SftSettings(learning_rate=4e-3, max_steps=80, **COMMON),
    qre=SftSettings(learning_rate=4e-3, max_steps=80, replay=1.0, **COMMON),
    pro=ProSettings(learning_rate=1e-3, max_steps=20, replay=1.0, **COMMON),
)
SHORT = TrainingSettings(
    ccd=SftSettings(learning_rate=1e-3, max_steps=1, **COMMON),
    qre=SftSettings(learning_rate=1e-3, max_steps=1, replay=0.5, **COMMON),
)


def manifest(folder: Path) -> dict[str, dict[str, object]]:
    return json.loads((folder / "manifest.json").read_text())


def test_the_chain_teaches_both_steps_and_is_reused(
    base_model: Path, data: TrainingData, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    results = train_stages(data, base_model=base_model, out_dir=tmp_path, settings=SETTINGS)
    assert [(result.stage, result.reused) for result in results] == [("ccd", False), ("qre", False), ("pro", False)]

    rewriter = LocalRewriter(tmp_path / "pro")
    queries = [f"a {word} here" for word in ("dinghy", "spruce", "canine", "feline")]
    concepts = rewriter.detect(queries)
    assert concepts == [("dinghy",), ("spruce",), ("canine",), ("feline",)]
    rewrites = [found[0] for found in rewriter.rewrite(queries, concepts)]
    assert rewrites == ["a boat here", "a tree here", "a dog here", "a cat here"]

    assert sorted(path.name for path in tmp_path.iterdir()) == ["ccd", "pro", "qre"]
    pro = manifest(tmp_path / "pro")
    assert pro["inputs"]["lineage"] == ["ccd", "qre"]
    assert pro["inputs"]["retriever"] == "r1"
    assert pro["inputs"]["base_model"] == manifest(tmp_path / "qre")["weights"] == weights_hash(tmp_path / "qre")
    assert "ccd → qre → pro" in (tmp_path / "pro" / "README.md").read_text()

    with caplog.at_level("INFO"):
        again = train_stages(data, base_model=base_model, out_dir=tmp_path, settings=SETTINGS)
    assert all(result.reused for result in again)
    assert [result.metrics for result in again] == [result.metrics for result in results]
    assert caplog.text.count("has the same inputs, reused") == 3


def test_other_inputs_are_refused_or_made_anew(base_model: Path, data: TrainingData, tmp_path: Path) -> None:
    def train(settings: TrainingSettings, rows: TrainingData = data, **options: str) -> bool:
        found = train_stages(
            rows, base_model=base_model, out_dir=tmp_path, settings=settings, stages=("ccd",), **options
        )
        return found[0].reused

    assert not train(SHORT)
    assert train(replace(SHORT, ccd=replace(SHORT.ccd, save_steps=7))), "how often it is saved changes no weight"
    other = replace(SHORT, ccd=replace(SHORT.ccd, learning_rate=2e-3))
    with pytest.raises(
        RunFolderError, match=r"was made with another settings\.learning_rate; give --if-exists replace"
    ):
        train(other)
    with pytest.raises(RunFolderError, match="made with another retriever"):
        train(SHORT, replace(data, retriever="r2"))
    with pytest.raises(RunFolderError, match="is there already"):
        train(SHORT, if_exists="fail")
    assert train(SHORT, if_exists="replace"), "what matches is not made again"
    assert not train(other, if_exists="replace")
    assert manifest(tmp_path / "ccd")["inputs"]["settings"]["learning_rate"] == 2e-3
    shutil.copy(base_model / "model.safetensors", tmp_path / "ccd" / "model.safetensors")
    with pytest.raises(RunFolderError, match="its weights were changed afterwards"):
        train(other)


def test_detection_is_replayed_only_where_it_was_taught(base_model: Path, data: TrainingData, tmp_path: Path) -> None:
    alone = train_stages(data, base_model=base_model, out_dir=tmp_path / "alone", settings=SHORT, stages=("qre",))
    assert manifest(alone[0].folder)["inputs"]["replay"] == ""
    assert manifest(alone[0].folder)["rows"] == 4
    first = train_stages(data, base_model=base_model, out_dir=tmp_path / "chain", settings=SHORT, stages=("ccd",))
    # a later call that starts from a stage's folder knows what it has been taught
    then = train_stages(data, base_model=first[0].folder, out_dir=tmp_path / "chain", settings=SHORT, stages=("qre",))
    assert manifest(then[0].folder)["inputs"]["lineage"] == ["ccd"]
    assert manifest(then[0].folder)["rows"] == 4 + 2


def test_a_model_for_one_retriever_is_not_trained_on_for_another(
    base_model: Path, data: TrainingData, tmp_path: Path
) -> None:
    (first,) = train_stages(data, base_model=base_model, out_dir=tmp_path, settings=SHORT, stages=("ccd",))
    other = replace(data, retriever="r2")
    with pytest.raises(FingerprintError, match="was trained for retriever r1, the rows are from r2"):
        train_stages(other, base_model=first.folder, out_dir=tmp_path, settings=SHORT, stages=("qre",))


def test_a_full_disk_is_one_clear_error_and_leaves_no_half_model(
    base_model: Path, data: TrainingData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("raqo.training.sft.save_model", full)
    with pytest.raises(RunFolderError, match=r"No space left on device\); make room"):
        train_stages(data, base_model=base_model, out_dir=tmp_path, settings=SHORT, stages=("ccd",))
    assert not (tmp_path / "ccd").exists()


def test_work_of_a_run_with_other_inputs_is_not_taken_up(base_model: Path, data: TrainingData, tmp_path: Path) -> None:
    partial = tmp_path / ".ccd.partial"
    (partial / "checkpoints" / "checkpoint-1").mkdir(parents=True)
    (partial / "checkpoints" / "checkpoint-1" / "trainer_state.json").write_text("{}")
    (partial / "inputs.json").write_text('{"rows": "others"}')
    results = train_stages(data, base_model=base_model, out_dir=tmp_path, settings=SHORT, stages=("ccd",))
    assert results[0].steps == 1
    assert not partial.exists()


def test_a_stage_without_rows_is_refused_before_anything_is_trained(base_model: Path, tmp_path: Path) -> None:
    data = TrainingData(ccd=(Pair("a", " b"),))
    with pytest.raises(DataError, match="stage qre: there are no rows"):
        train_stages(data, base_model=base_model, out_dir=tmp_path, settings=SHORT, stages=("ccd", "qre"))
    assert list(tmp_path.iterdir()) == []


def test_reads_the_tables_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "ccd.jsonl").write_text('{"id": "1", "prompt": "p", "completion": " c"}\n\n')
    (tmp_path / "pro.jsonl").write_text('{"prompt": "p", "completions": [" a", " b"], "rewards": [1, 0.5]}\n')
    found = read_training_data(tmp_path, retriever="r")
    assert (found.ccd, found.qre, found.retriever) == ((Pair("p", " c"),), (), "r")
    assert found.pro[0].rewards == (1.0, 0.5)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('{"prompt": "p", "completions": ["a", "b"], "rewards": [1]}', "has 1 values for 2 candidates"),
        ('{"prompt": "p", "completions": "a", "rewards": [1]}', "'completions' is not a list of texts"),
        ('{"prompt": "p", "completions": ["a"], "rewards": [NaN]}', "'rewards' is not a list of finite numbers"),
        ('{"completions": ["a"], "rewards": [1]}', "'prompt' is None"),
        ("{", "not valid JSON"),
        ("[]", "expected an object, got list"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, line: str, problem: str) -> None:
    good = '{"prompt": "p", "completions": ["a"], "rewards": [1]}\n'
    (tmp_path / "pro.jsonl").write_text(good + line + "\n")
    with pytest.raises(DataError, match=r"pro\.jsonl:2: .*" + problem):
        read_training_data(tmp_path)


def test_a_folder_without_tables_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="found none"):
        read_training_data(tmp_path)


def test_the_defaults_are_those_of_the_paper() -> None:
    settings = TrainingSettings()
    stages = (settings.ccd, settings.qre, settings.pro)
    assert [(stage.learning_rate, stage.batch_size, stage.epochs) for stage in stages] == [
        (2e-5, 8, 3),
        (1e-5, 8, 3),
        (5e-7, 16, 4),
    ]
    assert settings.pro.ranking_length == 5


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        ({"learning_rate": 0.0}, "learning_rate: expected more than 0"),
        ({"learning_rate": 1.0, "batch_size": 8, "accumulation": 3}, "a divisor of batch_size 8, got 3"),
        ({"learning_rate": 1.0, "replay": -0.1}, "replay: expected at least 0"),
    ],
)
def test_wrong_settings_are_refused(wrong: dict[str, float], problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        SftSettings(**wrong)
