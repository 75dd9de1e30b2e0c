from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from raqo.training.pro_batch import sort_candidates
from raqo.training.pro_loss import pro_loss, pro_terms, ranking_accuracy, rescale_rewards
from raqo.training.rows import RankedList

TEMPERATURES = ("pairwise", "shared", "none")
HOWS = ("minmax", "zscore", "scale", "none")
lists = st.lists(
    st.tuples(st.floats(-8, -0.01), st.floats(0, 1).map(lambda reward: round(reward, 2))), min_size=2, max_size=6
).map(lambda pairs: sorted(pairs, key=lambda pair: -pair[1]))


def batch(rows: list[list[tuple[float, float]]], width: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Pad with values that would show if they were read."""
    width = width or max(map(len, rows))
    scores = [[score for score, _ in row] + [7.0] * (width - len(row)) for row in rows]
    rewards = [[reward for _, reward in row] + [9.0] * (width - len(row)) for row in rows]
    mask = torch.arange(width) < torch.tensor([len(row) for row in rows])[:, None]
    return torch.tensor(scores, dtype=torch.float64), torch.tensor(rewards, dtype=torch.float64), mask


@pytest.mark.parametrize("temperature", TEMPERATURES)
@settings(max_examples=40, deadline=None)
@given(rows=st.lists(lists, min_size=1, max_size=4))
def test_padding_and_company_change_nothing(rows: list[list[tuple[float, float]]], temperature: str) -> None:
    together = pro_terms(*batch(rows, width=8), temperature=temperature).sum(1)
    alone = [pro_terms(*batch([row]), temperature=temperature).sum().item() for row in rows]
    assert together.tolist() == pytest.approx(alone, abs=1e-9)
    assert pro_loss(*batch(rows[::-1]), temperature=temperature).item() == pytest.approx(
        sum(alone) / len(alone), abs=1e-9
    )


@pytest.mark.parametrize("temperature", TEMPERATURES)
@settings(max_examples=40, deadline=None)
@given(row=lists)
def test_gradients_are_finite_and_stay_out_of_the_padding(row: list[tuple[float, float]], temperature: str) -> None:
    scores, rewards, mask = batch([row], width=8)
    scores.requires_grad_()
    pro_loss(scores, rewards, mask, temperature=temperature).backward()
    assert torch.isfinite(scores.grad).all()
    assert (scores.grad[~mask] == 0).all()


@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_ties_give_no_gradient(temperature: str) -> None:
    scores = torch.tensor([[-0.7, -0.9, -1.2]], dtype=torch.float64, requires_grad=True)
    rewards = torch.tensor([[0.3, 0.3, 0.3 - 1e-9]], dtype=torch.float64)
    pro_loss(scores, rewards, torch.ones(1, 3, dtype=torch.bool), temperature=temperature).backward()
    assert scores.grad.tolist() == [[0.0, 0.0, 0.0]]


def test_without_temperature_a_tie_is_no_competitor() -> None:
    scores, rewards = torch.tensor([[-1.0, -3.0, -2.0]]), torch.tensor([[1.0, 1.0, 0.0]])
    terms = pro_terms(scores, rewards, torch.ones(1, 3, dtype=torch.bool), temperature="none")[0]
    expected = torch.logsumexp(torch.tensor([-1.0, -2.0]), 0) + 1.0
    assert terms[0].item() == pytest.approx(expected.item(), abs=1e-6)


@pytest.mark.parametrize("temperature", ["shared", "none"])
def test_these_two_do_not_depend_on_how_likely_a_list_is_as_a_whole(temperature: str) -> None:
    scores, rewards, mask = batch([[(-0.5, 2.0), (-1.0, 1.0), (-1.5, 0.5)]])
    moved = pro_loss(scores - 3.0, rewards, mask, temperature=temperature)
    assert moved.item() == pytest.approx(pro_loss(scores, rewards, mask, temperature=temperature).item(), abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(row=lists)
def test_temperatures_differ_in_lists_of_three_or_more_only(row: list[tuple[float, float]]) -> None:
    scores, rewards, mask = batch([row[:2]])
    pairwise, shared = (pro_loss(scores, rewards, mask, temperature=name) for name in ("pairwise", "shared"))
    assert pairwise.item() == pytest.approx(shared.item(), abs=1e-12)
    rescaled = rescale_rewards(rewards, mask, how="minmax")
    losses = [pro_loss(scores, rescaled, mask, temperature=name).item() for name in TEMPERATURES if rescaled.any()]
    assert losses == pytest.approx(losses[:1] * len(losses), abs=1e-12)
    three = batch([[(-1.0, 1.0), (-2.0, 0.5), (-3.0, 0.0)]])
    assert len({round(pro_loss(*three, temperature=name).item(), 6) for name in TEMPERATURES}) == 3


def test_large_scores_do_not_overflow() -> None:
    scores = torch.tensor([[-1000.0, -1.0]])
    loss = pro_loss(scores, torch.tensor([[100.0, 0.0]]), torch.ones(1, 2, dtype=torch.bool), temperature="shared")
    assert loss.item() == pytest.approx(99_900.0)


@pytest.mark.parametrize("how", HOWS)
@settings(max_examples=40, deadline=None)
@given(rows=st.lists(lists, min_size=1, max_size=3))
def test_rescaling_keeps_the_order_and_empties_the_padding(rows: list[list[tuple[float, float]]], how: str) -> None:
    _, rewards, mask = batch(rows, width=7)
    rescaled = rescale_rewards(rewards, mask, how=how, scale=100.0)
    assert (rescaled[~mask] == 0).all()
    for row, new, count in zip(rewards.tolist(), rescaled.tolist(), mask.sum(1).tolist(), strict=True):
        for i in range(count - 1):
            assert (row[i] > row[i + 1]) == (new[i] > new[i + 1] + 1e-9)
    if how == "minmax":
        assert rescaled.min() >= 0
        assert rescaled.max() <= 1 + 1e-12


def test_zscore_is_of_mean_zero_and_deviation_one() -> None:
    rescaled = rescale_rewards(torch.tensor([[3.0, 1.0, 99.0]]), torch.tensor([[True, True, False]]), how="zscore")
    assert rescaled.tolist() == [[1.0, -1.0, 0.0]]


@pytest.mark.parametrize("how", ["minmax", "zscore"])
@pytest.mark.parametrize("length", [3, 7, 20])
def test_a_list_of_ties_has_no_spread(how: str, length: int) -> None:
    for dtype in (torch.float32, torch.float64):
        rewards = torch.tensor([[share] * length for share in (0.31, 0.47, 0.7, 123.4)], dtype=dtype)
        assert not rescale_rewards(rewards, torch.ones(4, length).bool(), how=how).any()


def test_ranking_accuracy_counts_pairs_and_tops() -> None:
    scores = torch.tensor([[-1.0, -2.0, -1.5], [-2.0, -1.0, 0.0], [-1.0, 0.0, 0.0]])
    rewards = torch.tensor([[3.0, 2.0, 1.0], [1.0, 1.0, 0.0], [0.0, 0.0, 0.0]])
    mask = torch.tensor([[True, True, True], [True, True, False], [True, False, False]])
    pairs, top = ranking_accuracy(scores, rewards, mask)
    # three pairs in the first list, two of them right; the second is a tie; the third is no list
    assert [count.item() for count in (*pairs, *top)] == [2, 3, 1, 2]


def test_sorting_is_stable_and_keeps_the_best() -> None:
    row = RankedList("p", ("a", "b", "c", "d"), (0.1, 0.3, 0.2, 0.3))
    assert sort_candidates(row, ranking_length=3) == RankedList("p", ("b", "d", "c"), (0.3, 0.3, 0.2))
