"""The command line as its users meet it, on a miniature of the sample world."""

import json
from pathlib import Path

import pytest
from rows_alike import same_rows
from safetensors.torch import load_file
from torch import Tensor

from raqo.cli import main
from raqo.sample.weights import BASE_LM_DIR

STEPS = ["gate", "detect", "rewrite", "verify", "retrieve", "confirm"]


def test_a_run_leaves_a_folder_that_explains_itself(run_folder: Path) -> None:
    names = {path.name for path in run_folder.iterdir()}
    assert {
        "config.yaml",
        "retriever.json",
        "traces.jsonl",
        "data",
        "gate.json",
        "models",
        "ablation",
        "evaluation",
    } <= names
    assert {"report.json", "report.html"} <= names
    for stage in ("ccd", "qre", "pro"):
        assert (run_folder / "models" / stage / "model.safetensors").is_file()
        assert (run_folder / "models" / stage / "manifest.json").is_file()


def test_the_report_has_every_row_the_issue_names(run_folder: Path) -> None:
    report = json.loads((run_folder / "report.json").read_text(encoding="utf-8"))
    names = ["raw", "oracle", "base", "qre", "ccd+qre", "ccd+qre+pro"]
    for direction in ("t2i", "i2t"):
        assert [row["name"] for row in report["rows"] if row["direction"] == direction] == names
    needed = {
        "name",
        "direction",
        "split",
        "n",
        "recall@1",
        "recall@5",
        "recall@10",
        "mrr",
        "helped",
        "harmed",
        "p_value",
    }
    assert all(needed <= set(row) for row in report["rows"])
    assert set(report["timing"]) == {"mine_s", "train_s", "evaluate_s", "total_s"}
    assert report["peak_rss_mb"] > 100
    assert report["manifest"]["seed"] == 0
    page = (run_folder / "report.html").read_text(encoding="utf-8")
    assert "data:image/" in page
    assert "<svg" in page


def test_raw_and_oracle_rows_agree_with_their_run_files(run_folder: Path) -> None:
    report = json.loads((run_folder / "report.json").read_text(encoding="utf-8"))
    place = run_folder / "evaluation" / "test-t2i"
    qrels = dict(line.split()[0::2] for line in (place / "qrels.txt").read_text(encoding="utf-8").splitlines())
    for name in ("raw", "oracle"):
        first = {}
        for line in (place / f"{name}.run").read_text(encoding="utf-8").splitlines():
            query_id, _, doc_id, rank, *_ = line.split()
            if rank == "1":
                first[query_id] = doc_id
        hits = sum(first[query_id] == doc_id for query_id, doc_id in qrels.items())
        (row,) = (row for row in report["rows"] if row["name"] == name and row["direction"] == "t2i")
        assert row["recall@1"] == pytest.approx(hits / row["n"])


def test_a_second_run_reuses_what_is_valid_and_says_so(
    config: Path, run_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path: path.stat().st_mtime_ns for path in run_folder.rglob("model.safetensors")}
    traces = (run_folder / "traces.jsonl").read_bytes()
    assert main(["run", "--config", str(config), "--out", str(run_folder)]) == 0
    said = capsys.readouterr().err
    assert "64 of 64 queries are in traces.jsonl already, reused" in said
    assert said.count("has the same inputs, reused") == 4
    assert {path: path.stat().st_mtime_ns for path in run_folder.rglob("model.safetensors")} == before
    assert (run_folder / "traces.jsonl").read_bytes() == traces


def test_the_verbs_one_by_one_give_what_run_gives(config: Path, run_folder: Path, tmp_path: Path) -> None:
    out = ["--config", str(config), "--out", str(tmp_path / "steps")]
    assert main(["mine", *out]) == 0
    assert main(["build-data", *out]) == 0
    assert main(["train", "ccd", *out]) == 0
    for name in ("ccd", "qre", "pro", "pairs"):
        made, expected = (
            (folder / f"{name}.jsonl").read_bytes() for folder in (tmp_path / "steps/data", run_folder / "data")
        )
        assert same_rows(made, expected), name
    start, one, other = (
        load_file(folder / "model.safetensors")
        for folder in (BASE_LM_DIR, tmp_path / "steps/models/ccd", run_folder / "models/ccd")
    )
    assert distance(one, other) < 0.1 * distance(one, start)  # threads differ in the last bits of their sums


def distance(one: dict[str, Tensor], other: dict[str, Tensor]) -> float:
    return float(sum((one[name].double() - other[name].double()).square().sum() for name in one)) ** 0.5


def test_rewrite_prints_concepts_rewrite_gate_and_hits(run_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rewrite", "a crimson dinghy by the fir", "--rewriter", str(run_folder)]) == 0
    told = capsys.readouterr()
    text = told.out
    assert [line.split()[0] for line in text.splitlines()[:3]] == ["query", "concepts", "rewrite"]
    assert text.count("test-0") == 10
    pictures = [line.split()[-1] for line in text.splitlines() if "test-0" in line]
    assert all(Path(picture).is_file() for picture in pictures)
    steps = [line.split(":")[0] for line in told.err.splitlines() if line.split(":")[0] in STEPS]
    assert steps == STEPS[: len(steps)]
    assert "gate" in steps
    assert main(["rewrite", "a crimson dinghy by the fir", "--rewriter", str(run_folder), "--json", "-k", "3"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["query"] == "a crimson dinghy by the fir"
    assert len(result["before"]) == len(result["after"]) == 3
    assert all(Path(hit["shows"]).is_file() for hit in result["after"])
    assert result["kept_original"] == (result["final"] == result["query"])


def test_search_and_index_and_check(config: Path, run_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["search", "a red dog", "--config", str(config), "--json", "-k", "2"]) == 0
    assert len(json.loads(capsys.readouterr().out)["hits"]) == 2
    assert main(["check", "--config", str(config), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["train"] == {"documents": 64, "queries": 64}
    assert main(["index", "--config", str(config), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["test"]["documents"] == 48


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["mining.max_round=3"], "did you mean 'max_rounds'"),
        (["mining.max_rounds=many"], "max_rounds"),
        (["retriever.kind=clap"], "clip"),
        (["training.pro.temperature=hot"], "pairwise"),
    ],
)
def test_wrong_settings_are_refused_at_once(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], expected: str
) -> None:
    assert main(["mine", "--config", str(config), "--out", str(tmp_path / "run"), *arguments]) == 2
    assert expected in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_an_unknown_flag_is_wrong_use(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--config", str(config), "--fast"]) == 2
    assert "--fast" in capsys.readouterr().err


def test_other_mining_settings_do_not_mix_into_a_log(
    config: Path, run_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (run_folder / "traces.jsonl").read_bytes()
    written = (run_folder / "config.yaml").read_bytes()
    assert main(["mine", "--config", str(config), "--out", str(run_folder), "mining.max_rounds=3"]) == 1
    assert "traces.jsonl" in capsys.readouterr().err
    assert (run_folder / "traces.jsonl").read_bytes() == before
    assert (run_folder / "config.yaml").read_bytes() == written


def test_a_run_of_another_encoder_is_not_served(run_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = run_folder / "retriever.json"
    written = place.read_text(encoding="utf-8")
    place.write_text(json.dumps({"fingerprint": "x", "encoder": "another"}), encoding="utf-8")
    try:
        assert main(["rewrite", "a red dog", "--rewriter", str(run_folder)]) == 1
        assert "was mined with encoder another" in capsys.readouterr().err
    finally:
        place.write_text(written, encoding="utf-8")


def test_a_folder_that_is_not_a_run_is_refused(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "photo.jpg").write_bytes(b"mine")
    assert main(["mine", "--config", str(config), "--out", str(tmp_path)]) == 1
    assert "not a run's" in capsys.readouterr().err
    assert main(["rewrite", "a", "--rewriter", str(tmp_path)]) == 2
    assert "is not a run folder" in capsys.readouterr().err
