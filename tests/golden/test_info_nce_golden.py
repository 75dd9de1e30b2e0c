"""InfoNCE against values computed by hand and by the sums of the paper's formula."""

from __future__ import annotations

import math

import pytest
import torch

from raqo.training.dual.info_nce import info_nce, negative_mask

ALL = torch.ones(1, 3, dtype=torch.bool)


def test_the_value_computed_in_float64_apart_from_this_code() -> None:
    query, passages = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.5, 0.5], [0.2, -1.0], [1.0, 1.0]])
    loss = info_nce((query @ passages.T).double(), torch.tensor([0]), ALL)
    assert loss.item() == pytest.approx(1.220694068914636, abs=1e-7)


def test_the_mean_over_queries_and_the_temperature() -> None:
    scores = torch.tensor([[0.3, -0.2, 1.1], [2.0, 0.4, 0.1]], dtype=torch.float64)
    own, both = torch.tensor([2, 1]), torch.ones(2, 3, dtype=torch.bool)
    for temperature in (1.0, 0.1):
        expected = 0.0
        for row, positive in zip(scores.tolist(), own.tolist(), strict=True):
            shares = [math.exp(score / temperature) for score in row]
            expected -= math.log(shares[positive] / sum(shares)) / 2
        assert info_nce(scores, own, both, temperature=temperature).item() == pytest.approx(expected)


def test_a_copy_of_the_positive_changes_nothing() -> None:
    scores = torch.tensor([[0.5, 0.2, 1.0, 0.5]], dtype=torch.float64)
    mask = negative_mask(["a", "b", "c", "a"], [{"a"}])
    assert mask.tolist() == [[False, True, True, False]]
    assert info_nce(scores, torch.tensor([0]), mask).item() == pytest.approx(1.220694068914636)
    assert info_nce(scores, torch.tensor([3]), mask).item() == pytest.approx(1.220694068914636)


def test_other_right_passages_are_no_negatives() -> None:
    mask = negative_mask(["a", "b", "c"], [{"a", "c"}, {"b"}])
    assert mask.tolist() == [[False, True, False], [True, False, True]]
    scores = torch.tensor([[0.5, 0.2, 9.0], [0.0, 1.0, 0.0]], dtype=torch.float64)
    expected = (math.log(1 + math.exp(-0.3)) + math.log(1 + 2 * math.exp(-1.0))) / 2
    assert info_nce(scores, torch.tensor([0, 1]), mask).item() == pytest.approx(expected)


def test_without_negatives_there_is_nothing_to_lose_and_gradients_stay_finite() -> None:
    scores = torch.tensor([[0.5, 0.2], [0.1, 0.9]], requires_grad=True)
    loss = info_nce(scores, torch.tensor([0, 1]), torch.tensor([[False, False], [True, False]]))
    loss.backward()
    assert loss.item() == pytest.approx(math.log(1 + math.exp(-0.8)) / 2)
    assert scores.grad is not None
    assert scores.grad.isfinite().all()
    assert scores.grad[0].tolist() == [0.0, 0.0]
