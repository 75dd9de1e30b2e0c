from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raqo.retrievers.milvus.repeated_words import STEPS, RepeatedWords, repeat

WEIGHT = st.floats(0, 1e300, allow_nan=False)


@pytest.mark.parametrize(
    ("terms", "expected"),
    [
        ([("red boat", 1.0)], RepeatedWords("red boat", 1.0)),
        ([("red boat", 2.5), ("sea", 2.5)], RepeatedWords("red boat sea", 2.5)),
        ([("red", 1.0), ("sea", 0.5)], RepeatedWords("red red sea", 0.5)),
        ([("red", 0.5), ("sea", 0.2), ("red", 0.1)], RepeatedWords("red red red red red sea sea red", 0.1)),
        ([("red", 1.0), ("sea", 0.004)], RepeatedWords("red", 1.0)),
        ([("", 9.0), ("red", 1.0), ("sea", 0.0)], RepeatedWords("red", 1.0)),
        ([("red", 0.0)], RepeatedWords("")),
        ([("", 1.0)], RepeatedWords("")),
        ([], RepeatedWords("")),
    ],
)
def test_examples(terms: list[tuple[str, float]], expected: RepeatedWords) -> None:
    found = repeat(terms)
    assert found.text == expected.text
    assert found.unit == pytest.approx(expected.unit)


@given(st.lists(WEIGHT, max_size=8))
def test_each_weight_is_right_to_half_a_step(weights: list[float]) -> None:
    found = repeat([(f"w{row}", weight) for row, weight in enumerate(weights)])
    counts = Counter(found.text.split())
    largest = max(weights, default=0.0)
    for row, weight in enumerate(weights):
        assert counts[f"w{row}"] * found.unit == pytest.approx(weight, abs=largest / STEPS * 0.51)
    assert set(counts) <= {f"w{row}" for row in range(len(weights))}
