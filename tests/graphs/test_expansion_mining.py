"""What the loop tried becomes preference data: attempts judged by the right passages, once the loop has ended."""

import numpy as np
import pytest
from expansion_toy import CAPTION, PASSAGES, QUESTION, DogResolver, ScriptedExpander, ScriptedFeedback, bm25

from raqo.agents import prompts
from raqo.graphs.expansion import expand_queries
from raqo.graphs.expansion_mining import judge_expansions, raw_text
from raqo.graphs.expansion_settings import ExpansionSettings
from raqo.graphs.settings import MiningSettings
from raqo.preference_data.build import BuildSettings, build
from raqo.preference_data.trace_log import TraceLog, read_traces
from raqo.records import Origin, Provenance, Query, Verdict

RIGHT = {"q1": ("canine-life",), "q2": ("car-life",)}
EASY = Query("q2", "How many years does an automobile last?")
SETTINGS = MiningSettings(unambiguous_at=1, ambiguous_beyond=1, search_depth=5, min_text_similarity=0.0)


class SameEncoder:
    """Every text means the same."""

    fingerprint = "same"

    def encode_texts(self, texts):
        return np.ones((len(texts), 1), dtype=np.float32)


@pytest.fixture
def judged(tmp_path):
    retriever = bm25(tmp_path)
    results = expand_queries(
        [QUESTION, EASY],
        [CAPTION, ""],
        retriever=retriever,
        texts=PASSAGES,
        resolver=DogResolver(),
        expander=ScriptedExpander(("canine lives", "mice eat", "market")),
        feedback=ScriptedFeedback(),
        settings=ExpansionSettings(max_rounds=0),
    )
    provenance = Provenance(retriever.fingerprint, retriever.size, "scripted", "", 0, "1")

    def judge(**changes):
        return judge_expansions(
            results,
            RIGHT,
            retriever=retriever,
            text_encoder=SameEncoder(),
            provenance=provenance,
            settings=SETTINGS,
            **changes,
        )

    return judge, results


def test_expansions_that_helped_and_that_hurt_become_attempts(judged):
    judge, results = judged
    trace, _ = judge()
    assert trace.origin is Origin.OPTIMIZE
    assert trace.raw.text == raw_text(results[0]) == f"{QUESTION.text} {CAPTION}"
    assert trace.raw.verdict is Verdict.AMBIGUOUS
    assert [attempt.text for attempt in trace.attempts] == [
        "How many years does a dog live? canine lives",
        "How many years does a dog live?",
        "How many years does a dog live? market",
        "How many years does a dog live? mice eat",
    ], "the best by the score without ground truth first"
    helped, *hurt = trace.attempts
    assert helped.accepted
    assert helped.rank == 1
    assert helped.concepts == ("dog",)
    assert not any(attempt.accepted for attempt in hurt)
    assert helped.similarity > max(attempt.similarity for attempt in hurt)


def test_a_question_that_is_found_already_has_no_attempts(judged):
    judge, _ = judged
    _, trace = judge()
    assert trace.raw.verdict is Verdict.UNAMBIGUOUS
    assert trace.attempts == ()


def test_fewer_attempts_reach_from_the_best_to_the_worst(judged):
    judge, _ = judged
    trace, _ = judge(attempts=2)
    assert [attempt.text.split("? ")[1] for attempt in trace.attempts] == ["canine lives", "mice eat"]


def test_the_log_and_the_data_sets_are_those_of_mining(judged, tmp_path):
    judge, _ = judged
    traces = judge()
    with TraceLog(tmp_path / "traces.jsonl", retriever=traces[0].provenance.retriever, settings="s") as log:
        log.write(traces)
    data = build(read_traces(tmp_path / "traces.jsonl"), BuildSettings(negatives="always"), prompts)
    (row,) = data.qre
    assert row.rewrite == "How many years does a dog live? canine lives"
    assert data.pro[0].candidates[0].text == row.rewrite
    assert data.pairs
