"""Long verbs say what they would do, money has a limit, and kept answers can be removed."""

import asyncio
import json
from pathlib import Path

import pytest

from raqo.agents.chat.response_cache import CachedChat
from raqo.cli import main
from raqo.protocols import ChatRequest
from raqo.testing import ScriptedChat
from raqo.workflows.parts import answers_path


def state(folder: Path) -> dict[Path, tuple[int, int]]:
    return {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in folder.rglob("*")}


@pytest.mark.parametrize(
    ("verb", "said"),
    [
        (["run"], ["mine: 0 of 64 queries with the lexicon; 64 are in traces.jsonl already", "evaluate: 48 queries"]),
        (["build-data"], ["build-data: the data sets, from"]),
        (["train", "all"], ["train ccd: a model of 2 steps is there: reused where its inputs are the same"]),
        (["evaluate"], ["evaluate: 48 queries of test (t2i, i2t)"]),
        (["mine"], ["0 queries to mine"]),
    ],
)
def test_a_dry_run_says_what_would_be_done_and_touches_nothing(
    config: Path, run_folder: Path, capsys: pytest.CaptureFixture[str], verb: list[str], said: list[str]
) -> None:
    before = state(run_folder)
    assert main([*verb, "--dry-run", "--config", str(config), "--out", str(run_folder)]) == 0
    shown = capsys.readouterr().out
    for text in said:
        assert text in shown
    assert state(run_folder) == before


def test_a_dry_run_makes_no_run_folder_and_misses_inputs(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = ["--dry-run", "--config", str(config), "--out", str(tmp_path / "new")]
    assert main(["run", *out, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["train pro"] == "from the start"
    assert main(["train", "qre", *out]) == 1
    assert "run `raqo build-data` first" in capsys.readouterr().err
    assert main(["build-data", *out]) == 1
    assert main(["evaluate", *out]) == 1
    assert not (tmp_path / "new").exists()


def test_mining_writes_its_totals(run_folder: Path) -> None:
    total = json.loads((run_folder / "mining.json").read_text(encoding="utf-8"))["total"]
    assert total["queries"] == 64
    assert total["chat_calls"] == 0
    assert total["per_accepted"]["retriever_queries"] == pytest.approx(
        total["retriever_queries"] / total["accepted"], abs=1e-5
    )
    assert "money" not in total


def test_a_chat_reviewer_needs_a_chat_model(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mine", "--config", str(config), "--out", str(tmp_path / "run"), "reviewer=chat"]) == 2
    assert "no section 'chat'" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("amount", ["-1", "inf", "much"])
def test_a_budget_is_an_amount_of_money(config: Path, capsys: pytest.CaptureFixture[str], amount: str) -> None:
    with pytest.raises(SystemExit) as raised:
        main(["mine", "--config", str(config), "--out", "run", f"--budget={amount}"])
    assert raised.value.code == 2
    assert f"expected an amount of money, got '{amount}'" in capsys.readouterr().err


def test_kept_answers_can_be_removed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chat = CachedChat(ScriptedChat(["yes", "no"]), answers_path(tmp_path))
    for seed in (1, 2):
        request = ChatRequest(messages=({"role": "user", "content": "well?"},), seed=seed)
        asyncio.run(chat.complete(request))
    chat.close()
    assert main(["cache", "prune", "--cache-dir", str(tmp_path), "--older-than", "1"]) == 0
    assert capsys.readouterr().out == "0 answers removed\n"
    assert main(["cache", "prune", "--cache-dir", str(tmp_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"removed": 2}
