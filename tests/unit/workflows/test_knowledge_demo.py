"""`raqo demo --task knowledge` on a few questions, with the real sentence encoder, BM25 and the sample's CLIP."""

import json

import pytest

from raqo.cli import main
from raqo.errors import ConfigError
from raqo.preference_data.trace_log import read_traces
from raqo.workflows.knowledge.run import knowledge_config
from raqo.workflows.knowledge.systems import BASELINE

SMALL = ("knowledge.train.limit=6", "knowledge.evaluate.limit=6", "feedback.vocabulary=300")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("knowledge") / "run"
    arguments = ["demo", "--task", "knowledge", "--out", str(out), *SMALL, f"cache_dir={out.parent / 'cache'}"]
    assert main(arguments) == 0
    return out


def test_the_report_compares_every_system_with_question_and_caption(run):
    report = json.loads((run / "report.json").read_text())
    names = [row["name"] for row in report["rows"]]
    assert report["baseline"] == BASELINE
    assert {"question only", BASELINE, "loop", "loop without picture", "loop without expansion"} <= set(names)
    assert "oracle: object named in the corpus's words" in names
    assert "loop without caption (keywords from the picture)" in names
    assert all(row["n"] == 6 and 0 <= row["hit"] <= 1 and 0 <= row["p"] <= 1 for row in report["rows"])
    assert report["mode"] == "substring-raw"
    assert report["config"]["expansion"]["expansions"] == 12


def test_what_was_tried_on_the_training_questions_is_in_the_log_and_the_data_sets(run):
    traces = list(read_traces(run / "traces.jsonl"))
    assert sorted(trace.query_id for trace in traces) == [f"train-k{at:05d}" for at in range(6)]
    assert any(trace.attempts for trace in traces)
    assert (run / "data" / "qre.jsonl").is_file()


def test_the_log_is_reused_and_no_other_settings_go_into_it(run, capsys):
    before = (run / "traces.jsonl").read_bytes()
    cache = f"cache_dir={run.parent / 'cache'}"
    arguments = ["demo", "--task", "knowledge", "--out", str(run), "--if-exists", "resume", *SMALL, cache]
    assert main([*arguments, "expansion.max_rounds=1"]) == 1
    assert "traces.jsonl" in capsys.readouterr().err
    assert (run / "traces.jsonl").read_bytes() == before


def test_the_quick_task_is_smaller_and_settings_are_checked():
    assert knowledge_config(quick=True).knowledge.train.limit == 100
    with pytest.raises(ConfigError, match=r"expansion\.fusion"):
        knowledge_config(overrides=("expansion.fusion=vote",))
    with pytest.raises(ConfigError, match=r"expansion\.window"):
        knowledge_config(overrides=("expansion.window=0",))


def test_replacing_puts_a_log_of_other_settings_aside(run):
    cache = f"cache_dir={run.parent / 'cache'}"
    assert main(["demo", "--task", "knowledge", "--out", str(run), *SMALL, cache, "mining.search_depth=20"]) == 0
    assert len(list(run.glob("traces-*.jsonl"))) == 1
    assert len(list(read_traces(run / "traces.jsonl"))) == 6
