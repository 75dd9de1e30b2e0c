"""Pictures that cannot be read, from the mining of a run to its table: the data set's `on_error` is the one switch."""

from __future__ import annotations

import json
import resource
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from bad_pictures import GOOD, corrupt, good_pictures, huge_png, picture, table, truncated

from raqo.cli import main
from raqo.sample.weights import BASE_LM_DIR

BAD = [("torn.png", "a torn thing"), ("torn.png", "a torn cat"), ("bomb.png", "a bomb"), ("text.png", "a text")]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    good_pictures(tmp_path)
    truncated(tmp_path / "torn.png")
    huge_png(tmp_path / "bomb.png")
    corrupt(tmp_path / "text.png")
    table(tmp_path / "data.csv", [*GOOD, *BAD])
    table(tmp_path / "good.csv", GOOD)
    (tmp_path / "config.yaml").write_text(
        f"""
data:
  train: {{path: {tmp_path}/data.csv, on_error: skip}}
  evaluate: {{test: {{path: {tmp_path}/data.csv, on_error: skip}}}}
retriever: {{model: sample}}
training: {{model: sample}}
evaluation: {{depth: 10, permutations: 100, examples: 1}}
directions: [t2i, i2t]
wordnet: null
cache_dir: {tmp_path}/cache
"""
    )
    return tmp_path


def raqo(verb: str, folder: Path, *settings: str, run: str | None = None) -> int:
    out = ["--out", str(folder / run)] if run else []
    return main([verb, "--config", str(folder / "config.yaml"), *out, *settings])


def error(capsys: pytest.CaptureFixture[str]) -> str:
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("raqo:")]
    return line


def test_check_opens_every_picture(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert raqo("check", folder, "--json") == 0
    told = capsys.readouterr()
    assert json.loads(told.out)["train"] == {"documents": 3, "queries": 3}
    (line,) = [line for line in told.err.splitlines() if line.startswith("train: ")]
    assert "left out 3 pictures that cannot be read, and 4 queries" in line
    assert "torn.png" in line

    assert raqo("check", folder, "data.evaluate.test.on_error=fail") == 1
    assert "test: 3 of 6 pictures cannot be read" in error(capsys)


def test_they_are_left_out_of_mining_and_of_both_directions_of_the_table(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert raqo("mine", folder, "--json", run="run") == 0
    assert json.loads(capsys.readouterr().out)["queries"] == 3
    assert raqo("build-data", folder, run="run") == 0
    shutil.copytree(BASE_LM_DIR, folder / "run/models/qre")
    capsys.readouterr()

    assert raqo("evaluate", folder, "--json", run="run") == 0
    told = capsys.readouterr()
    assert {(row["direction"], row["n"]) for row in json.loads(told.out)["rows"]} == {("t2i", 3), ("i2t", 3)}
    assert sum("left out" in line for line in told.err.splitlines()) == 1
    for qrels in (folder / "run/evaluation").glob("*/qrels.txt"):
        assert not {"torn.png", "bomb.png", "text.png"} & set(qrels.read_text().split())

    assert raqo("evaluate", folder, "data.evaluate.test.on_error=fail", run="run") == 1
    assert "on_error: skip" in error(capsys)


def test_search_follows_the_switch(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["search", "a boat", "--config", str(folder / "config.yaml"), "--json"]
    assert main(asked) == 0
    hits = json.loads(capsys.readouterr().out)["hits"]
    assert {hit["doc_id"] for hit in hits} == {"a.png", "b.png", "c.png"}
    assert main([*asked, "data.evaluate.test.on_error=fail"]) == 1
    assert "on_error: skip" in error(capsys)


def test_where_every_query_looks_for_one_the_error_says_so(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table(folder / "data.csv", BAD)
    assert raqo("check", folder) == 1
    assert "left out 3 pictures that cannot be read, and 4 queries for them, and none is left" in error(capsys)
    assert raqo("mine", folder, run="run") == 1
    assert "none of 3 documents can be read" in error(capsys)
    assert not (folder / "run").exists()


def test_the_gate_is_not_calibrated_on_another_gallery(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert raqo("mine", folder, "data.train.path=" + str(folder / "good.csv"), run="run") == 0
    before = (folder / "run/config.yaml").read_bytes()
    picture(folder / "d.png", "yellow")
    table(folder / "other.csv", [*GOOD, ("d.png", "a yellow sun")])
    capsys.readouterr()
    assert raqo("build-data", folder, "data.train.path=" + str(folder / "other.csv"), run="run") == 1
    assert "mined with retriever and gallery" in error(capsys)
    assert (folder / "run/config.yaml").read_bytes() == before
    assert not (folder / "run/gate.json").exists()
    assert not (folder / "run/data").exists()


def test_data_that_cannot_be_read_leave_no_run_folder(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert raqo("mine", folder, "data.train.path=none.csv", run="run") == 1
    assert "none.csv" in error(capsys)
    assert not (folder / "run").exists()


@contextmanager
def full_disk() -> Iterator[None]:
    """No file can be written: as on a read-only disk, which a test that is run as root cannot have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("verb", ["evaluate", "build-data", "mine"])
def test_a_folder_that_cannot_be_written_is_refused_before_the_work(
    verb: str, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for step in ("dataset", "gallery"):
        monkeypatch.setattr(f"raqo.workflows.parts.Parts.{step}", lambda *_, **__: pytest.fail("work was done"))
    with full_disk():
        assert raqo(verb, folder, run="run") == 1
    assert f"{folder}/run: cannot be written" in error(capsys)


def test_a_start_that_is_stopped_while_the_gallery_is_made_can_be_gone_on_with(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "run").mkdir()

    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("raqo.workflows.parts.Parts.gallery", stopped)
        assert raqo("mine", folder, run="run") == 1
    assert raqo("mine", folder, "--json", run="run") == 0
    assert json.loads(capsys.readouterr().out)["queries"] == 3


def test_check_opens_the_pictures_of_questions(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    questions = [
        {"id": str(row), "question": "What is it?", "image": name, "answers": ["boat"]}
        for row, name in enumerate(("a.png", "torn.png", "torn.png", "bomb.png"))
    ]
    (folder / "questions.jsonl").write_text("".join(f"{json.dumps(one)}\n" for one in questions))
    (folder / "corpus.jsonl").write_text('{"_id": "p", "text": "a boat"}\n')
    named = f"benchmark: jsonl, questions: {folder}/questions.jsonl, passages: {folder}/corpus.jsonl"
    (folder / "config.yaml").write_text(
        f"knowledge: {{evaluate: {{{named}, images: {folder}}}}}\n"
        f"retriever: {{kind: bm25}}\ncache_dir: {folder}/cache\n"
    )
    assert raqo("check", folder, "training.model=sample", "--json") == 0
    told = capsys.readouterr()
    assert json.loads(told.out)["knowledge.evaluate"]["pictures"] == 4
    assert "knowledge.evaluate: 2 pictures cannot be read; first: " in told.err
