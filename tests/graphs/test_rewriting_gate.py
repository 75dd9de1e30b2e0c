import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raqo.errors import ConfigError, DataError
from raqo.graphs.gate import Gate, calibrate_gate, confidence
from raqo.graphs.verification import grounded, growth, usual_growth
from raqo.records import Hit, Ranking


def ranking(*scores):
    return Ranking("q", tuple(Hit(f"d{i}", score) for i, score in enumerate(scores)))


def test_confidence_golden():
    assert confidence(ranking(0.9, 0.5, 0.3, 0.1), depth=3) == pytest.approx(0.5)
    assert confidence(ranking(0.9, 0.5, 0.3, 0.1), depth=10) == pytest.approx(0.6)
    assert confidence(ranking(0.9), depth=10) == confidence(ranking(), depth=10) == 0.0


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=12), st.floats(-5, 5))
def test_confidence_ignores_an_offset(scores, offset):
    scores = sorted(scores, reverse=True)
    shifted = confidence(ranking(*(score + offset for score in scores)), depth=5)
    assert shifted == pytest.approx(confidence(ranking(*scores), depth=5), abs=1e-9)
    assert confidence(ranking(*scores), depth=5) >= -1e-12


def test_calibration_golden():
    scores = [0.9, 0.8, 0.7, 0.6, 0.5, 0.4]
    hits = [True, True, True, False, True, False]
    assert calibrate_gate(scores, hits, min_precision=1.0, min_support=1).confident_at == 0.7
    assert calibrate_gate(scores, hits, min_precision=0.8, min_support=1).confident_at == 0.5
    assert calibrate_gate(scores, hits, min_precision=1.0, min_support=4).confident_at is None
    assert calibrate_gate(scores, [False] * 6, min_support=1).confident_at is None
    assert calibrate_gate([], []).confident_at is None


@given(st.lists(st.tuples(st.sampled_from([0.1, 0.2, 0.3, 0.4, 0.5]), st.booleans()), max_size=60), st.floats(0.5, 1.0))
def test_calibration_keeps_its_promise_and_takes_the_lowest_threshold(pairs, min_precision):
    scores, hits = [score for score, _ in pairs], [hit for _, hit in pairs]

    def precise(threshold):
        above = [hit for score, hit in pairs if score >= threshold]
        return len(above) >= 5 and np.mean(above) >= min_precision - 1e-9

    found = calibrate_gate(scores, hits, min_precision=min_precision, min_support=5).confident_at
    assert found == min((score for score in set(scores) if precise(score)), default=None)


def test_calibration_completes_the_given_gate_and_survives_json():
    gate = calibrate_gate([1.0] * 20, [True] * 20, gate=Gate(depth=5, max_confidence_drop=0.1))
    assert gate == Gate(confident_at=1.0, depth=5, max_confidence_drop=0.1)
    assert Gate(**dataclasses.asdict(gate)) == gate
    assert gate.passes(ranking(2.0, 0.0))
    assert not gate.passes(ranking(0.5, 0.0))
    assert not Gate().passes(ranking(1e9, 0.0))


def test_bad_values_are_named():
    with pytest.raises(DataError, match="3 scores and 2 outcomes"):
        calibrate_gate([1.0, 2.0, 3.0], [True, False])
    with pytest.raises(DataError, match="finite"):
        calibrate_gate([float("nan")], [True])
    with pytest.raises(ConfigError, match="at least 2"):
        Gate(depth=1)
    with pytest.raises(ConfigError, match="max_growth: expected at least 0"):
        Gate(max_growth=-1)


def test_grounded_concepts():
    text = "A crimson dinghy, by the Fir-tree"
    found = grounded(["Crimson", "dinghy by", "fir tree", "crim", "boat", "", "?"], text)
    assert found == ["Crimson", "dinghy by", "fir tree"]


@given(st.text(max_size=40), st.lists(st.text(max_size=8), max_size=3))
def test_grounded_invents_nothing(text, concepts):
    assert set(grounded(concepts, text)) <= set(concepts)


@pytest.mark.parametrize(
    ("text", "rewrite", "expected"),
    [
        ("a hound", "a dog", 0),
        ("dog", "big black rocket", 2),
        ("a brown cup", "brown cup nearby nearby nearby", 3),
        ("a thing one sits on", "a chair", -1),
        ("", "", 0),
    ],
)
def test_growth_counts_content_words_with_repeats(text, rewrite, expected):
    assert growth(text, rewrite) == expected


def test_usual_growth_is_that_of_nearly_all_rewrites_and_never_negative():
    pairs = [("a dog", "a dog")] * 998 + [("stalking", "running hard")] + [("a dog", "a dog with four more words")]
    assert usual_growth(pairs) == 1
    assert usual_growth(pairs, share=0.5) == 0
    assert usual_growth(pairs, share=1.0) == 3
    assert usual_growth([("a thing one sits on", "a chair")]) == 0
    assert usual_growth([]) is None
