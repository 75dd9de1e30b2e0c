"""`raqo knowledge` with a chat model that reads questions, expands them and describes pictures, over real sockets."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from raqo.agents.prompts import template
from raqo.cli import main
from raqo.preference_data.trace_log import read_traces
from raqo.testing_server import ChatServer, Fault

PASSAGES = {
    "fawn": "A hind carries her fawn for seven months.",
    "bread": "A loaf rises for two hours.",
    "animal": "This animal in the story is long and pregnant with meaning.",
}
CONFIG = """
knowledge:
  {train}
  evaluate: {{benchmark: jsonl, questions: {folder}/test.jsonl, passages: {folder}/corpus.jsonl}}
retriever: {{kind: bm25}}
feedback: {{vocabulary: 100}}
mining: {{ambiguous_beyond: 1, unambiguous_at: 1}}
build: {{min_text_similarity: 0.0, negatives: always}}
expansion: {{max_rounds: 1, expansions: 2, refinements: 2}}
chat:
  preset: vllm
  model: scripted
  base_url: {url}
  prices: {{scripted: {{prompt: 100, completion: 1000}}}}
  flow: {{max_attempts: 2, max_wait_s: 0.02}}
cache_dir: {folder}/cache
"""
PROMPTS = {template(name): name for name in ("caption", "resolve", "expand", "optimise")}
ANSWERS = {
    "caption": {"caption": "a deer in a wood"},
    "resolve": {"question": "How long is a deer pregnant?", "keywords": [{"word": "deer", "likelihood": 0.9}]},
    "expand": {"expansions": ["hind carries fawn months", "deer gestation"]},
    "optimise": {"expansions": ["hind fawn seven months"]},
}


def prompt_of(body: Mapping[str, Any]) -> str:
    return PROMPTS[body["messages"][0]["content"]]


def answer(body: Mapping[str, Any]) -> str:
    return json.dumps(ANSWERS[prompt_of(body)])


def asked(server: ChatServer) -> Counter[str]:
    return Counter(prompt_of(call.body) for call in server.calls)


def shown(server: ChatServer, prompt: str) -> list[str]:
    """Kinds of the parts of each message to a prompt."""
    bodies = [call.body for call in server.calls if prompt_of(call.body) == prompt]
    return ["+".join(part["type"] for part in body["messages"][1]["content"]) for body in bodies]


def write(folder: Path, server: ChatServer, *, count: int = 2, train: bool = False, **more: object) -> Path:
    for at in range(2):
        Image.new("RGB", (20, 20), ("red", "green")[at]).save(folder / f"{at}.png")
    row = {"question": "How long is this animal pregnant?", "answers": ["seven months"]}
    for name in ("test", "train"):
        rows = [row | {"id": f"{name}{at}", "image": f"{at % 2}.png"} | more for at in range(count)]
        (folder / f"{name}.jsonl").write_text("".join(f"{json.dumps(one)}\n" for one in rows))
    passages = [{"_id": name, "text": text} for name, text in PASSAGES.items()]
    (folder / "corpus.jsonl").write_text("".join(f"{json.dumps(one)}\n" for one in passages))
    path = folder / "chat.yaml"
    section = f"train: {{benchmark: jsonl, questions: {folder}/train.jsonl, split: train}}" if train else "train: null"
    path.write_text(CONFIG.format(folder=folder, url=server.base_url, train=section))
    return path


def run(config: Path, *more: str) -> int:
    return main(["knowledge", "--config", str(config), "--out", str(config.parent / "run"), *more])


def report(config: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((config.parent / "run" / "report.json").read_text())
    return found


def test_the_loop_asks_the_chat_model_for_everything_and_pays_nothing_twice(tmp_path: Path) -> None:
    with ChatServer(answer) as server:
        config = write(tmp_path, server, train=True)
        assert run(config, "expander=chat") == 0
        first = len(server.calls)
        assert set(asked(server)) == {"caption", "resolve", "expand", "optimise"}
        assert shown(server, "caption") == ["image_url"] * 2, "each picture once, for both splits"
        assert set(shown(server, "expand") + shown(server, "resolve")) == {"text+image_url"}
        spent = report(config)["chat"]["spent"]
        assert run(config, "expander=chat") == 0
        assert len(server.calls) == first
    found = report(config)
    rows = {row["name"]: row for row in found["rows"]}
    assert rows["question + caption"]["hit"] == 0.0, "the right passage has no word of the question"
    assert rows["loop"]["hit"] == 1.0
    assert found["captions"] == 2
    assert found["chat"] == {"model": "scripted", "spent": spent, "failures": {}}
    assert spent > 0
    traces = list(read_traces(tmp_path / "run" / "traces.jsonl"))
    assert [trace.target for trace in traces] == ["fawn", "fawn"]
    assert {trace.provenance.reviewer for trace in traces} == {"chat:scripted"}
    assert any(attempt.accepted for trace in traces for attempt in trace.attempts)


def test_without_the_chat_expander_it_describes_pictures_and_nothing_else(tmp_path: Path) -> None:
    with ChatServer(answer) as server:
        config = write(tmp_path, server)
        assert run(config) == 0
        assert asked(server) == {"caption": 2}
        assert report(config)["captions"] == 2


def test_nobody_is_asked_where_captions_are_given(tmp_path: Path) -> None:
    with ChatServer(answer) as server:
        config = write(tmp_path, server, caption="a deer in a wood")
        assert run(config) == 0
        assert not server.calls
        assert report(config)["chat"] is None


def test_the_loop_without_picture_shows_none(tmp_path: Path) -> None:
    with ChatServer(answer) as server:
        config = write(tmp_path, server, caption="a deer in a wood")
        assert run(config, "expander=chat", "ablations=true") == 0
        assert Counter(shown(server, "resolve")) == {"text+image_url": 2, "text": 1}, "equal questions are asked once"


def test_a_budget_ends_the_run_and_says_how_to_go_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with ChatServer(answer) as server:
        config = write(tmp_path, server, caption="a deer in a wood")
        assert run(config, "expander=chat", "--budget", "0.001") == 1
        assert not server.calls
        said = capsys.readouterr().err
    resume = f"raqo: to go on: raqo knowledge --config {config} --out {tmp_path}/run --budget 0.002 expander=chat"
    assert resume in said


@pytest.mark.parametrize(("caption", "what"), [("", "caption"), ("a deer", "resolve")])
def test_a_model_that_always_refuses_ends_the_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], caption: str, what: str
) -> None:
    with ChatServer(answer, faults=lambda _body, _times: Fault.REFUSAL) as server:
        config = write(tmp_path, server, count=60, caption=caption)
        for at in range(60):
            Image.new("RGB", (20, 20), (at, 0, 0)).save(tmp_path / f"{at}.png")
        rows = [json.loads(line) | {"image": f"{at}.png"} for at, line in enumerate((tmp_path / "test.jsonl").open())]
        (tmp_path / "test.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
        assert run(config, "expander=chat") == 1
        assert what in asked(server)
    said = capsys.readouterr().err
    assert "answers failed (100%, mining.max_failure_rate is 0.2)" in said
    assert "raqo: to go on: raqo knowledge" in said
    assert not (tmp_path / "run" / "report.json").exists()


def test_a_few_failures_are_counted_and_leave_questions_as_they_were(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def faults(body: Mapping[str, Any], _times: int) -> Fault | None:
        return Fault.REFUSAL if prompt_of(body) in ("caption", "expand") else None

    with ChatServer(answer, faults=faults) as server:
        config = write(tmp_path, server)
        assert run(config, "expander=chat") == 0
    assert "2 of 2 pictures were not described" in capsys.readouterr().err
    assert report(config)["chat"]["failures"] == {"refused": 2}
    assert report(config)["captions"] == 0


def test_a_dry_run_bounds_the_calls_and_makes_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with ChatServer(answer) as server:
        config = write(tmp_path, server, train=True)
        assert run(config, "expander=chat", "--dry-run", "--json") == 0
        dry = json.loads(capsys.readouterr().out)
        # two pictures; two questions of each split with one of resolving, one of generation and one round; asked twice
        assert dry["chat"].startswith(f"at most {2 * (2 + 4 * 3)} calls")
        assert "2 pictures without caption, described by scripted" in dry["captions"]
        assert not server.calls
        assert run(config, "expander=chat") == 0
        assert len(server.calls) <= 2 * (2 + 4 * 3)
