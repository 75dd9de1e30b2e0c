"""Every kind of bad input, from the command line: one clear error, or a counted skip; what was done stays."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from bad_pictures import GOOD, corrupt, good_pictures, huge_png, picture, table, truncated

from raqo.cli import main


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    good_pictures(tmp_path)
    return tmp_path


def write(folder: Path, rows: list[tuple[str, str]], *, on_error: str, encoding: str = "utf-8") -> str:
    table(folder / "data.csv", rows, encoding=encoding)
    (folder / "config.yaml").write_text(
        f"""
data: {{train: {{path: {folder}/data.csv, on_error: {on_error}}}}}
retriever: {{model: sample}}
cache_dir: {folder}/cache
wordnet: null
"""
    )
    return str(folder / "config.yaml")


@pytest.mark.parametrize(
    ("made", "row", "encoding", "said"),
    [
        (None, ("gone.png", "a cat"), "utf-8", "gone.png"),
        (corrupt, ("x.png", "a cat"), "utf-8", "x.png"),
        (truncated, ("x.png", "a cat"), "utf-8", "x.png"),
        (huge_png, ("x.png", "a cat"), "utf-8", "x.png"),
        (picture, ("x.png", "  "), "utf-8", "empty"),
        (picture, ("x.png", "caf\u00e9"), "latin-1", "UTF-8"),
        (None, GOOD[0], "utf-8", "already"),
        (None, ("../../outside.png", "a cat"), "utf-8", "outside"),
    ],
    ids=["missing", "corrupt", "truncated", "bomb", "empty caption", "not utf-8", "duplicate", "outside"],
)
def test_a_bad_entry_is_one_error_or_a_counted_skip(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    made: Callable[[Path], None] | None,
    row: tuple[str, str],
    encoding: str,
    said: str,
) -> None:
    if made:
        made(folder / "x.png")
    out = ["--out", str(folder / "run")]
    failing = write(folder, [*GOOD, row], on_error="fail", encoding=encoding)
    for verb in (["check"], ["index"], ["mine", *out]):
        assert main([*verb, "--config", failing]) == 1
        (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("raqo:")]
        assert said in line
        assert "on_error: skip" in line
    assert not (folder / "run").exists()

    skipping = write(folder, [*GOOD, row], on_error="skip", encoding=encoding)
    for verb in (["check"], ["index"], ["mine", *out]):
        assert main([*verb, "--config", skipping, "--json"]) == 0
        told = capsys.readouterr()
        lines = [*told.err.splitlines(), *(record.getMessage() for record in caplog.records)]
        assert sum(said in line for line in lines) == 1
        caplog.clear()
        found = json.loads(told.out)
        assert found["queries"] == 3 if verb[0] == "mine" else found["train"]["documents"] == 3
    assert main(["build-data", *out, "--config", skipping]) == 0


def beir(folder: Path) -> None:
    (folder / "qrels").mkdir()
    documents = [{"_id": str(n), "text": f"a {colour} thing"} for n, colour in enumerate(("red", "green", "blue"))]
    queries = [{"_id": "q0", "text": "red"}, {"_id": "q1", "text": "purple"}]
    for name, rows in (("corpus", documents), ("queries", queries)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq0\t0\t1\nq1\t9\t1\n")


def test_a_query_without_target_is_one_error_or_a_counted_skip(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    beir(tmp_path)
    for on_error, code in (("fail", 1), ("skip", 0)):
        (tmp_path / "config.yaml").write_text(
            f"data: {{train: {{path: {tmp_path}, split: test, on_error: {on_error}}}}}\n"
            f"retriever: {{kind: bm25}}\ncache_dir: {tmp_path}/cache\n"
        )
        assert main(["check", "--config", str(tmp_path / "config.yaml"), "--json"]) == code
        told = capsys.readouterr()
        if code:
            assert "document '9' is not in corpus.jsonl" in told.err
        else:
            assert json.loads(told.out)["train"]["queries"] == 1


def test_a_run_folder_that_cannot_be_written_is_one_error(
    folder: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    config = write(folder, GOOD, on_error="fail")
    (tmp_path / "file").touch()
    for out in (tmp_path / "file", tmp_path / "file" / "run", Path("/proc/raqo")):
        assert main(["mine", "--config", config, "--out", str(out)]) == 1
        (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("raqo:")]
        assert str(out) in line


def test_a_disk_that_runs_full_ends_with_one_error_and_keeps_what_was_mined(config: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    arguments = ["mine", "--config", str(config), "--out", str(out)]
    small = "import resource as r, sys; r.setrlimit(r.RLIMIT_FSIZE, (40_000, r.RLIM_INFINITY)); "
    program = "from raqo.cli import main; sys.exit(main(sys.argv[1:]))"
    assert main(["index", "--config", str(config)]) == 0
    full = subprocess.run([sys.executable, "-c", small + program, *arguments], capture_output=True, text=True)
    assert full.returncode == 1
    assert "Traceback" not in full.stderr
    assert "traces.jsonl: cannot be written" in full.stderr
    kept = (out / "traces.jsonl").read_bytes()
    assert kept.endswith(b"\n")
    assert kept.count(b"\n") > 1
    again = subprocess.run([sys.executable, "-m", "raqo", *arguments], capture_output=True, text=True, check=True)
    assert "reused" in again.stderr
    assert (out / "traces.jsonl").read_bytes().startswith(kept)
