import importlib.util
import json
import os
import random
import resource
import subprocess
import sys
import time
import tracemalloc
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import raqo
from raqo.errors import DataError, FingerprintError, RunFolderError
from raqo.preference_data.trace_log import TraceLog, read_header, read_traces
from raqo.protocols import TraceSink
from raqo.records import Failure, FailureKind, Origin, Review, Trace

WRITER = Path(__file__).with_name("trace_writer.py")
CHILD = (sys.executable, str(WRITER))
ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(raqo.__file__).parents[1])}
spec = importlib.util.spec_from_file_location("trace_writer", WRITER)
assert spec is not None
assert spec.loader is not None
writer = importlib.util.module_from_spec(spec)
spec.loader.exec_module(writer)
make_trace = writer.make_trace


def open_log(path: Path, *, retriever: str = writer.RETRIEVER, settings: str = writer.SETTINGS) -> TraceLog:
    return TraceLog(path, retriever=retriever, settings=settings)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run" / "trace_log.jsonl"


def filled(path: Path, count: int = 4) -> bytes:
    with open_log(path) as log:
        log.write([make_trace(number) for number in range(count)])
    return path.read_bytes()


def test_traces_come_back_equal_and_in_order(path: Path) -> None:
    review = Review("no boat", "rare word", ("dinghy",), ("boat",))
    traces = [make_trace(0), replace(make_trace(1), reviews=(review,)), replace(make_trace(2), origin=Origin.PERTURB)]
    traces.append(replace(make_trace(3), failure=Failure(FailureKind.TIMEOUT, "slow\u2028line", 1)))
    with open_log(path) as log:
        assert isinstance(log, TraceSink)
        log.write(traces[:1])
        log.write(traces[1:])
    assert list(read_traces(path)) == traces
    assert read_header(path).retriever == writer.RETRIEVER


def test_a_trace_is_logged_once_per_query_and_origin(path: Path) -> None:
    with open_log(path) as log:
        log.write([make_trace(1), make_trace(1)])
        log.write([make_trace(1), replace(make_trace(1), origin=Origin.PERTURB)])
        log.write([])
        assert log.done == {("q1", Origin.OPTIMIZE), ("q1", Origin.PERTURB)}
    with open_log(path) as log:
        assert log.done == {("q1", Origin.OPTIMIZE), ("q1", Origin.PERTURB)}
        log.write([make_trace(1)])
    assert len(list(read_traces(path))) == 2


@settings(deadline=None, max_examples=60)
@given(cut=st.integers(min_value=0), keep=st.integers(min_value=0, max_value=4))
def test_a_log_torn_anywhere_opens_with_all_whole_lines(
    tmp_path_factory: pytest.TempPathFactory, cut: int, keep: int
) -> None:
    path = tmp_path_factory.mktemp("torn") / "log.jsonl"
    content = filled(path)
    torn = content[: cut % (len(content) + 1)]
    path.write_bytes(torn)
    whole = max(0, torn.count(b"\n") - 1)
    with open_log(path) as log:
        assert len(log.done) == whole
        log.write([make_trace(number) for number in range(4)])
    assert path.read_bytes() == content


def test_zeros_after_a_power_cut_are_cut_off(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    content = filled(path)
    path.write_bytes(content + b"\0" * 200_000)
    with open_log(path) as log:
        assert len(log.done) == 4
    assert path.read_bytes() == content
    assert "torn (200000 bytes)" in caplog.text


def test_another_retriever_or_other_settings_are_refused(path: Path) -> None:
    content = filled(path)
    with pytest.raises(FingerprintError, match=r"retriever retriever-b, but .* retriever-a; use that"):
        open_log(path, retriever="retriever-b")
    with pytest.raises(FingerprintError, match=r"made with settings settings-a, this run has settings-b"):
        open_log(path, settings="settings-b")
    stranger = make_trace(9)
    stranger = replace(stranger, provenance=replace(stranger.provenance, retriever="retriever-b"))
    with open_log(path) as log, pytest.raises(FingerprintError, match="'q9'"):
        log.write([make_trace(8), stranger])
    assert path.read_bytes() == content


def test_a_second_writer_is_refused_until_the_first_closes(path: Path) -> None:
    with open_log(path):
        child = subprocess.run(
            [*CHILD, str(path), "3"], env=ENVIRONMENT, stdin=subprocess.DEVNULL, capture_output=True, text=True
        )
        assert child.returncode != 0
        assert "another process is writing it" in child.stderr
    open_log(path).close()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"{]\n", "not a trace"),
        (b"\xff\xfe\n", "not a trace"),
        (b"{}\n", r"query_id: Field required"),
        (b"\n", "not a trace"),
    ],
)
def test_a_broken_line_inside_is_an_error_with_its_number(path: Path, line: bytes, expected: str) -> None:
    lines = filled(path).splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:2], line, *lines[2:]]))
    with pytest.raises(DataError, match=rf"trace_log.jsonl:3: .*{expected}|trace_log.jsonl:3: {expected}"):
        list(read_traces(path))
    with pytest.raises(DataError, match=":3:"):
        open_log(path)


def test_a_wrong_type_inside_a_trace_is_found(path: Path) -> None:
    header, line = filled(path, 1).splitlines()
    row = json.loads(line)
    row["raw"]["rank"] = "20"
    path.write_bytes(header + b"\n" + json.dumps(row).encode() + b"\n")
    with pytest.raises(DataError, match=r":2: not a trace \(raw.rank"):
        list(read_traces(path))


def test_another_file_is_no_trace_log(path: Path) -> None:
    path.parent.mkdir()
    path.write_text('{"query": "x"}\n')
    with pytest.raises(DataError, match="not the first line of a trace log"):
        open_log(path)
    assert path.read_text() == '{"query": "x"}\n'


def test_texts_that_utf8_cannot_hold_are_written_and_nan_is_refused(path: Path) -> None:
    odd = make_trace(1)
    odd = replace(odd, raw=replace(odd.raw, text="a \ud800 b"))
    bad = make_trace(2)
    with open_log(path) as log:
        log.write([odd])
        with pytest.raises(DataError, match="'q2': holds a number that is not finite"):
            log.write([replace(bad, raw=replace(bad.raw, similarity=float("nan")))])
        log.write([bad])
    assert [trace.raw.text for trace in read_traces(path)] == ["a ? b", "query 2"]


def test_a_folder_that_cannot_be_made_is_a_run_folder_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunFolderError, match="cannot be opened"):
        open_log(tmp_path / "file" / "log.jsonl")


def test_a_full_disk_leaves_what_was_there(path: Path) -> None:
    content = filled(path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with open_log(path) as log:
        try:  # the kernel takes a part of the batch, then refuses, as a disk that runs full does
            resource.setrlimit(resource.RLIMIT_FSIZE, (len(content) + 100, hard))
            with pytest.raises(RunFolderError, match="everything before is intact"):
                log.write([make_trace(number) for number in range(4, 9)])
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert path.read_bytes() == content
        assert ("q5", Origin.OPTIMIZE) not in log.done
        log.write([make_trace(5)])
    assert len(list(read_traces(path))) == 5


def test_reading_and_opening_need_memory_for_one_trace_only(path: Path) -> None:
    with open_log(path) as log:
        for start in range(0, 3000, 500):
            log.write([make_trace(number) for number in range(start, start + 500)])
    assert path.stat().st_size > 4_000_000
    tracemalloc.start()
    count = sum(1 for _ in read_traces(path))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 3000
    assert peak < path.stat().st_size / 5


def test_kill_9_at_twenty_moments_loses_and_doubles_nothing(tmp_path: Path) -> None:
    total = 1200
    whole, killed = tmp_path / "whole.jsonl", tmp_path / "killed.jsonl"
    writer.main(str(whole), total)
    chance = random.Random(0)
    for _ in range(20):
        _run_and_kill(killed, total, chance)
    command = [*CHILD, str(killed), str(total)]
    subprocess.run(command, env=ENVIRONMENT, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    lines = killed.read_bytes().splitlines()
    assert len(lines) == len(set(lines)) == total + 1
    assert set(lines) == set(whole.read_bytes().splitlines())


def _run_and_kill(path: Path, total: int, chance: random.Random) -> None:
    """Start the writer and kill it a random moment after it began to write."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([*CHILD, str(path), str(total)], env=ENVIRONMENT, **pipes) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        time.sleep(chance.uniform(0, 0.02))
        child.kill()
        assert child.wait() == -9


def test_the_log_is_opened_for_appending_only(path: Path) -> None:
    before = filled(path)
    stat = os.stat(path)
    with open_log(path) as log:
        log.write([make_trace(7)])
    assert path.read_bytes().startswith(before)
    assert os.stat(path).st_ino == stat.st_ino


def test_missing_log(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="cannot be read"):
        list(read_traces(tmp_path / "none.jsonl"))


def test_round_trip_type(path: Path) -> None:
    filled(path, 1)
    (trace,) = read_traces(path)
    assert isinstance(trace, Trace)
    assert isinstance(trace.raw.concepts, tuple)
