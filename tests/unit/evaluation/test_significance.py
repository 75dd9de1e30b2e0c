import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from raqo.evaluation.significance import Changes, changes, holm, paired_p_value

bits = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=9)


def enumerated(differences):
    """Two-sided p value over all sign patterns, by hand."""
    seen = np.sum(differences)
    sums = [np.dot(signs, differences) for signs in itertools.product([1, -1], repeat=len(differences))]
    upper = np.mean([total >= seen - 1e-12 for total in sums])
    lower = np.mean([total <= seen + 1e-12 for total in sums])
    return min(1.0, 2 * min(upper, lower))


@given(bits)
def test_small_samples_are_exact(pairs):
    raw, other = np.array(pairs, dtype=float).T
    assert paired_p_value(raw, other) == pytest.approx(enumerated(other - raw))


@given(st.lists(st.tuples(*[st.sampled_from([0.0, 0.25, 0.5, 1.0])] * 2), min_size=1, max_size=9))
def test_small_samples_of_any_metric_are_exact(pairs):
    raw, other = np.array(pairs).T
    assert paired_p_value(raw, other) == pytest.approx(enumerated((other - raw)[other != raw]))


def test_hits_get_the_exact_sign_test_at_any_size():
    raw, other = np.zeros(4000), np.array([1.0] * 1200 + [0.0] * 2800)
    raw[1200:2300] = 1
    assert paired_p_value(raw, other) == pytest.approx(stats.binomtest(1200, 2300).pvalue)
    drawn = paired_p_value(raw, np.where(np.arange(4000) == 0, 0.999, other), permutations=20_000)
    assert drawn == pytest.approx(paired_p_value(raw, other), rel=0.2)  # the sampled path, almost the same data


def test_same_seed_same_value_and_it_never_reaches_zero():
    raw, other = np.zeros(400), np.linspace(0.5, 1.0, 400)
    first = paired_p_value(raw, other, permutations=999, seed=3)
    assert first == paired_p_value(raw, other, permutations=999, seed=3) == pytest.approx(0.002)


def test_no_difference_is_no_evidence():
    same = np.array([1.0, 0.0, 1.0])
    assert paired_p_value(same, same) == 1.0
    assert paired_p_value(np.zeros(0), np.zeros(0)) == 1.0


@given(bits)
def test_changes_add_up_and_swap(pairs):
    raw, other = np.array(pairs, dtype=float).T
    count, reverse = changes(raw, other), changes(other, raw)
    assert count.helped + count.harmed + count.unchanged == len(pairs)
    assert (count.helped, count.harmed) == (reverse.harmed, reverse.helped)
    assert count.helped - count.harmed == np.sum(other) - np.sum(raw)
    assert changes(raw, raw) == Changes(0, 0, len(pairs))


def test_holm_golden():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_keeps_the_order_and_never_lowers(p_values):
    corrected = holm(p_values)
    assert all(
        p <= c <= min(1.0, len(p_values) * p) + 1e-12 or c <= 1.0 for p, c in zip(p_values, corrected, strict=True)
    )
    assert all(c >= p for p, c in zip(p_values, corrected, strict=True))
    pairs = sorted(zip(p_values, corrected, strict=True))
    assert [c for _, c in pairs] == sorted(c for _, c in pairs)
