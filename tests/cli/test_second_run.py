"""A second run takes what is there, says so, and still tells where it came from and what it cost."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from raqo.cli import main


def report(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    return found


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def copied(run_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(run_folder, tmp_path / "run"))


def test_the_evaluation_is_taken_again_with_the_times_of_when_it_was_made(
    config: Path, copied: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, page = report(copied), (copied / "report.html").read_text(encoding="utf-8")
    (copied / "report.html").unlink()
    (copied / "evaluation/notes.txt").write_text("a file of the user's own")
    assert main(["run", "--config", str(config), "--out", str(copied)]) == 0
    said, second = capsys.readouterr(), report(copied)
    assert "evaluate: models, data and settings are the same, reused" in said.err
    assert "rewrites/s" not in said.err
    assert second["rows"] == first["rows"]
    for name in ("train_s", "evaluate_s"):
        assert second["timing"][name] == first["timing"][name]
    assert second["timing"]["mine_s"] > 0
    assert second["timing"]["total_s"] >= sum(second["timing"][name] for name in ("train_s", "evaluate_s"))
    assert second["manifest"]["reused"] == ["mine_s", "train_s", "evaluate_s"]
    assert second["manifest"]["mining"]["queries"] == first["manifest"]["mining"]["queries"] == 64
    again = (copied / "report.html").read_text(encoding="utf-8")
    assert again.count("data:image/") == page.count("data:image/") > 0  # the examples are there again
    assert again.count("(reused)") == 3


def test_what_has_changed_is_named_and_measured_anew(
    config: Path, copied: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gate = json.loads((copied / "gate.json").read_text(encoding="utf-8"))
    (copied / "gate.json").write_text(json.dumps({**gate, "depth": gate["depth"] + 1}), encoding="utf-8")
    (copied / "evaluation/test-t2i/raw.run").unlink()
    (copied / "data/pro.jsonl").unlink()  # what was trained on need not be there any more
    setting = "evaluation.permutations=300"
    assert main(["evaluate", "--config", str(config), "--out", str(copied), setting, "ablations=false"]) == 0
    changed = "models, generation, gate, evaluation, its files"
    assert f"evaluate: measured anew, changed: {changed}" in capsys.readouterr().err
    assert (copied / "evaluation/test-t2i/raw.run").is_file()
    assert report(copied)["manifest"]["reused"] == ["mine_s", "train_s"]


def test_the_manifest_has_the_hashes_of_weights_data_and_traces(run_folder: Path) -> None:
    manifest = report(run_folder)["manifest"]
    assert manifest["reused"] == []
    for name in ("traces.jsonl", "lexicon.json", "data/manifest.json", "gate.json"):
        assert manifest["sha256"][name] == sha256(run_folder / name)
    weights = {name: one["weights"] for name, one in manifest["stages"].items()}
    for stage, digest in weights.items():
        assert (
            digest == json.loads((run_folder / f"models/{stage}/manifest.json").read_text(encoding="utf-8"))["weights"]
        )
    assert manifest["stages"]["qre"]["base_model"] == weights["ccd"]
    assert manifest["evaluated"]["models"]["ccd+qre+pro"] == weights["pro"]
    settings = manifest["evaluated"]["generation"]["ccd+qre+pro"]
    assert {"config.json", "generation_config.json"} <= set(settings)
    assert all(digest == sha256(run_folder / "models/pro" / name) for name, digest in settings.items())
    mined = json.loads((run_folder / "retriever.json").read_text(encoding="utf-8"))
    assert (manifest["mined_with"], manifest["retriever"]) == (mined["fingerprint"], mined["encoder"])


def test_a_run_made_step_by_step_tells_all_its_times(config: Path, copied: Path) -> None:
    (copied / "times.json").unlink()
    shutil.rmtree(copied / "models" / "pro")
    out = ["--config", str(config), "--out", str(copied), "training.pro.max_steps=3", "ablations=false"]
    assert main(["train", "pro", *out]) == 0
    assert main(["evaluate", *out]) == 0
    timing = report(copied)["timing"]
    assert timing["train_s"] > 0
    assert timing["evaluate_s"] > 0
    assert timing["mine_s"] == timing["total_s"] == 0  # nothing is known of that
