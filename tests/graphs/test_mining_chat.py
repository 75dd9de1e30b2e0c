"""Mining with a chat model behind a real server on loopback: faults, budgets, Ctrl-C and kill -9."""

from __future__ import annotations

import json
import random
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import chat_mining
import pytest
from chat_mining import DATA, ToyParts, answer, marked, run, traces, write_config

from raqo import config_loader
from raqo.agents import prompts
from raqo.config import RunConfig
from raqo.errors import BudgetError, ConfigError, FailureRateError, FingerprintError
from raqo.preference_data.build import BuildSettings, build
from raqo.preference_data.export import export
from raqo.preference_data.trace_log import read_traces
from raqo.testing_server import FAULT_TEXT, ChatServer, Fault, random_faults
from raqo.workflows.estimate import estimate

Clean = tuple[dict[tuple[str, str], dict[str, Any]], set[str]]
KINDS = [kind for kind in Fault if kind is not Fault.SLOW]
SOON = "chat.flow.attempt_timeout_s=1.0"  # where calls hang
PATIENCE_S = 600.0


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Clean:
    """The traces of a run without faults, and the bodies of its calls."""
    folder = tmp_path_factory.mktemp("clean")
    with ChatServer(answer) as server:
        run(write_config(folder, server.base_url), folder / "run")
        return traces(folder / "run"), set(bodies(server))


def bodies(server: ChatServer) -> list[str]:
    return [json.dumps(call.body, sort_keys=True) for call in server.calls]


def test_the_toy_needs_a_chat_model_and_gets_something_from_it(clean: Clean) -> None:
    found, asked = clean
    assert len([row for row in found.values() if row["origin"] == "optimize"]) == len(DATA.queries)
    assert sum(bool(row["reviews"]) for row in found.values()) >= 15
    assert sum(a["accepted"] for row in found.values() for a in row["attempts"]) >= 30
    assert len(asked) >= 60


def test_with_faults_every_query_is_as_without_or_a_typed_failure(clean: Clean, tmp_path: Path) -> None:
    expected, _ = clean
    with ChatServer(answer, faults=random_faults(0.3, seed=1, kinds=KINDS)) as server:
        report = run(write_config(tmp_path, server.base_url), tmp_path / "run", SOON)
        played = Counter(call.played for call in server.calls)
    found = traces(tmp_path / "run")
    assert set(played) == {None, *KINDS}
    assert found.keys() == expected.keys()
    failed = {key for key, row in found.items() if row["failure"]}
    assert 0 < len(failed) < len(found) / 3
    assert report["total"]["failures"] == dict(sorted(Counter(found[key]["failure"]["kind"] for key in failed).items()))
    for key in found.keys() - failed:
        assert {**found[key], "cost": 0} == {**expected[key], "cost": 0}


def test_no_fault_reaches_a_data_set(clean: Clean, tmp_path: Path) -> None:
    with ChatServer(answer, faults=random_faults(0.3, seed=2, kinds=KINDS)) as server:
        run(write_config(tmp_path, server.base_url), tmp_path / "run", SOON)
    found = traces(tmp_path / "run")
    spoilt = {query_id for (query_id, _), row in found.items() if row["failure"]}
    assert spoilt
    with ChatServer(answer) as server:
        run(write_config(tmp_path / "calm", server.base_url), tmp_path / "calm" / "run")
    rows, expected = rows_of(tmp_path / "run"), rows_of(tmp_path / "calm" / "run")
    kept = {key: row for key, row in expected.items() if row["query_id"] not in spoilt}
    assert len(kept) >= 30
    assert {key: row for key, row in rows.items() if row["query_id"] not in spoilt} == kept
    files = [path for path in (tmp_path / "run" / "data").rglob("*") if path.is_file()]
    assert len(files) >= 5
    for path in files:
        assert FAULT_TEXT.encode() not in path.read_bytes(), path


def rows_of(out: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """Rows of the data sets by table and id, but for those that fill up with plain queries."""
    data = build(read_traces(out / "traces.jsonl"), BuildSettings(min_text_similarity=0.3), prompts)
    export(data, out / "data")
    found = {}
    for table in ("ccd", "qre", "pro"):
        for line in (out / "data" / f"{table}.jsonl").read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            query_id, source = row["id"].split("/")
            if source != "balance":
                found[table, row["id"]] = {**row, "query_id": query_id}
    return found


def test_too_many_failures_end_the_run_and_failed_queries_can_be_mined_again(clean: Clean, tmp_path: Path) -> None:
    expected, _ = clean
    with ChatServer(answer, faults=random_faults(0.4, seed=3, kinds=[Fault.REFUSAL])) as server:
        config = write_config(tmp_path, server.base_url)
        with pytest.raises(FailureRateError, match="refused, such as"):
            run(config, tmp_path / "run", "mining.max_failure_rate=0.1")
        run(config, tmp_path / "run", "mining.max_failure_rate=0.9")
    before = (tmp_path / "run" / "traces.jsonl").read_bytes()
    failed = {key[0] for key, row in traces(tmp_path / "run").items() if row["failure"]}
    assert failed
    with ChatServer(answer) as server:
        report = run(write_config(tmp_path, server.base_url), tmp_path / "run", retry_failed=True)
        again = len(server.calls)
    assert report["queries"] == len(failed)
    assert 0 < again < len(failed) * 5
    assert traces(tmp_path / "run") == expected
    assert (tmp_path / "run" / "traces-before-retry-1.jsonl").read_bytes() == before


@pytest.mark.parametrize("concurrency", [1, 64])
def test_the_budget_is_never_passed_and_nothing_is_paid_twice(clean: Clean, tmp_path: Path, concurrency: int) -> None:
    expected, asked = clean
    flow = [f"chat.flow.start_concurrency={concurrency}", f"chat.flow.max_concurrency={concurrency}"]
    with ChatServer(answer, latency_s=0.002) as server:
        config = write_config(tmp_path, server.base_url)
        budget, stops = 4.0, 0
        while True:
            try:
                report = run(config, tmp_path / "run", *flow, budget=budget)
                break
            except BudgetError:
                stops += 1
                assert paid(server) <= budget
                budget *= 2
        assert stops >= 1
        assert paid(server) <= budget
        assert report["total"]["money"] == pytest.approx(paid(server))
        assert sorted(bodies(server)) == sorted(asked)
    assert traces(tmp_path / "run") == expected


def paid(server: ChatServer) -> float:
    """What the server's own count of tokens costs at the price of the configuration."""
    prompt = sum(len(json.dumps(call.body["messages"])) // 4 for call in server.calls)
    completion = sum(len(answer(call.body)) // 4 + 1 for call in server.calls)
    return (prompt * 100 + completion * 1000) / 1e6


def test_an_estimate_bounds_what_mining_takes_and_asks_nothing(clean: Clean, tmp_path: Path) -> None:
    _, asked = clean
    with ChatServer(answer) as server:
        config = write_config(tmp_path, server.base_url)
        found = estimate(ToyParts(config_loader.load(RunConfig, config)), tmp_path / "run").taken
        assert server.calls == []
        total = run(config, tmp_path / "run")["total"]
    assert total["chat_calls"] == len(asked)
    assert total["chat_calls"] <= found["reviews"].at_most + found["perturbations"].at_most
    perturbations = sum(isinstance(json.loads(body)["messages"][1]["content"], str) for body in asked)
    assert found["perturbations"].expected == pytest.approx(perturbations)
    for name, taken in (("prompt tokens", "prompt_tokens"), ("completion tokens", "completion_tokens"), ("money",) * 2):
        assert 0 < total[taken] <= found[name].at_most
    assert total["per_accepted"]["money"] == pytest.approx(total["money"] / total["accepted"], abs=1e-5)


def test_kept_answers_serve_all_runs_unless_they_shall_not(clean: Clean, tmp_path: Path) -> None:
    expected, asked = clean
    with ChatServer(answer) as server:
        config = write_config(tmp_path, server.base_url)
        run(config, tmp_path / "first")
        run(config, tmp_path / "second")
        assert len(server.calls) == len(asked)
        run(config, tmp_path / "third", cached=False)
        assert len(server.calls) == 2 * len(asked)
    for name in ("first", "second", "third"):
        assert traces(tmp_path / name) == expected


@pytest.mark.parametrize("other", ["chat.model=another", "review.shown=4", "seed=7", "mining.max_rounds=2"])
def test_what_decides_the_traces_cannot_change_within_a_log(clean: Clean, tmp_path: Path, other: str) -> None:
    with ChatServer(answer) as server:
        config = write_config(tmp_path, server.base_url)
        run(config, tmp_path / "run")
        asked = len(server.calls)
        run(config, tmp_path / "run", "chat.prices={}", "chat.flow.max_attempts=2", "mining.batch_size=9")
        with pytest.raises(FingerprintError):
            run(config, tmp_path / "run", other)
        assert len(server.calls) == asked


def test_one_slow_answer_holds_up_its_own_batch_only(clean: Clean, tmp_path: Path) -> None:
    expected, _ = clean
    slow = min(int(key[0][1:]) for key, row in expected.items() if row["reviews"])
    slow_text = DATA.queries[slow].text
    others = sum(int(key[0][1:]) // 6 != slow // 6 for key in expected)
    log = tmp_path / "run" / "traces.jsonl"

    def held(body: Mapping[str, Any]) -> bool:
        """Until all other batches are written."""
        asked = f'"{slow_text}"' in json.dumps(body["messages"][1]).replace("\\", "")
        return asked and log.read_bytes().count(b"\n") < 1 + others

    with ChatServer(answer, hold=held) as server:
        run(write_config(tmp_path, server.base_url), tmp_path / "run", "mining.batches_in_flight=2")
    found = traces(tmp_path / "run")
    assert found == expected
    last = int(list(found)[-1][0][1:])
    assert slow // 6 == last // 6 == 0


def test_a_model_without_eyes_is_refused_before_anything_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = tuple(replace(document, text=None, image="x.jpg") for document in DATA.documents)
    monkeypatch.setattr(chat_mining, "DATA", replace(DATA, documents=pictures))
    blind = "chat.capabilities={n: true, structured_output: true, images: false, logprobs: false}"
    with ChatServer(answer) as server:
        with pytest.raises(ConfigError, match="reads no images"):
            run(write_config(tmp_path, server.base_url), tmp_path / "run", blind)
        assert server.calls == []


def start(config: Path, out: Path, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, chat_mining.__file__, "mine", "--config", str(config), "--out", str(out), *options]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def wait_for(server: ChatServer, calls: int, child: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while len(server.calls) < calls and child.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)


AWAITED = "answers on their way are awaited"


def interrupt(child: subprocess.Popen[str]) -> str:
    """Press Ctrl-C, and read what is said until the child has heard it."""
    child.send_signal(signal.SIGINT)
    assert child.stderr is not None
    said = ""
    while AWAITED not in said and (line := child.stderr.readline()):
        said += line
    return said


def test_ctrl_c_lets_answers_arrive_and_says_how_to_go_on(clean: Clean, tmp_path: Path) -> None:
    expected, asked = clean
    heard = threading.Event()
    with ChatServer(answer, hold=lambda _: len(server.calls) >= 30 and not heard.is_set()) as server:
        config = write_config(tmp_path, server.base_url)
        child = start(config, tmp_path / "run", "--budget", "500")
        wait_for(server, 30, child)
        said = interrupt(child)
        heard.set()
        assert child.stderr is not None
        said += child.stderr.read()
        assert child.wait(timeout=PATIENCE_S) == 1
        assert AWAITED in said
        assert f"raqo mine --config {config} --out {tmp_path / 'run'} --budget 500" in said
        assert "Traceback" not in said
        assert len(server.calls) < len(asked)
        run(config, tmp_path / "run")
        assert sorted(bodies(server)) == sorted(asked)
    assert traces(tmp_path / "run") == expected


def test_a_second_ctrl_c_ends_at_once(tmp_path: Path) -> None:
    slow = ("chat.flow.attempt_timeout_s=3600", "chat.flow.deadline_s=3600")
    with ChatServer(answer, latency_s=3600) as server:
        child = start(write_config(tmp_path, server.base_url), tmp_path / "run", *slow)
        wait_for(server, 1, child)
        said = interrupt(child)
        assert AWAITED in said
        assert child.poll() is None
        child.send_signal(signal.SIGINT)
        assert child.wait(timeout=PATIENCE_S) == 1
        assert child.stderr is not None
        said += child.stderr.read()
        child.stderr.close()
    assert "Traceback" not in said


@pytest.mark.parametrize("kills", [3, pytest.param(20, marks=pytest.mark.slow)])
def test_kill_9_loses_nothing_and_asks_no_kept_answer_again(clean: Clean, tmp_path: Path, kills: int) -> None:
    expected, asked = clean
    rng, ends = random.Random(kills), []
    with ChatServer(answer, latency_s=0.05) as server:
        config = write_config(tmp_path, server.base_url)
        for number in range(kills + 1):
            kept, before = kept_marks(tmp_path / "cache"), len(server.calls)
            child = start(config, tmp_path / "run", "chat.flow.start_concurrency=4", "chat.flow.max_concurrency=4")
            if number < kills:
                wait_for(server, before + rng.randint(1, len(asked) // kills), child)
                time.sleep(rng.random() * 0.05)
                child.kill()
            child.communicate(timeout=PATIENCE_S)
            ends.append(child.returncode)
            assert kept.isdisjoint(marked(call.body) for call in server.calls[before:])
    assert ends[-1] == 0
    assert ends.count(-signal.SIGKILL) >= kills // 2
    assert set(bodies(server)) == asked
    assert traces(tmp_path / "run") == expected


def kept_marks(cache: Path) -> set[str]:
    """What was asked for the answers that are kept."""
    found: set[str] = set()
    for path in cache.glob("*.sqlite"):
        with sqlite3.connect(path) as rows:
            found.update(re.findall("mark-[0-9a-f]{16}", str(rows.execute("SELECT results FROM answers").fetchall())))
    return found
