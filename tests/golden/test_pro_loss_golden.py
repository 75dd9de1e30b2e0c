"""Golden values of the PRO loss.

Computed once with an independent float64 numpy implementation of the formulas in `raqo.training.pro_loss.pro_terms`,
written as plain loops; example G' was also computed by the published reference code of PRO (equal to 1e-15). ``eps``
marks values of that code, which adds 1e-10 inside the logarithm. Scores s are mean log-probabilities, r are rewards.
"""

from __future__ import annotations

import math

import pytest
import torch

from raqo.training.pro_loss import best_nll, candidate_scores, pro_loss, pro_terms, rescale_rewards, sft_term

C_SCORES = [-0.9, -1.1, -1.0, -1.4, -1.3]
C_REWARDS = [0.34, 0.32, 0.31, 0.30, 0.28]

# name: scores, rewards, pairwise terms, sum of shared terms
EXAMPLES = {
    "A": ([-1, -2], [1, 0], [0.313261687518], 0.313261687518),
    "B": ([-0.5, -1, -1.5], [2, 1, 0.5], [0.694112186402, 0.575939419879], 1.103915163734),
    "C_raw": (C_SCORES, C_REWARDS, [1.615637759924, 1.396923967889, 1.100999125964, 0.694147680560], 4.763187137058),
    "C_x100": (
        C_SCORES,
        [100 * reward for reward in C_REWARDS],
        [3.623411308586, 3.593646960779, 1.849965810007, 0.798138869382],
        3.198012750696,
    ),
    "C_mm": (
        C_SCORES,
        [1, 2 / 3, 1 / 2, 1 / 3, 0],
        [1.763696993725, 1.598005031778, 1.152567866388, 0.709952729686],
        None,
    ),
    "D": ([-0.7, -0.9, -1.2], [0.3, 0.3, 0.3], [math.log(3), math.log(2)], math.log(6)),
    "E": ([-0.7, -0.9, -1.2], [1, 0.4, 0.4], [0.966123650243, math.log(2)], 1.659270830803),
    "F": ([-1, -2], [0, 1], [1.313261687518], 1.313261687518),
    "H": ([-1, -1, -1], [2, 1, 0.5], [1.294376769418, math.log(2)], 1.791759469228),
}

GRADIENTS = {
    ("A", "pairwise"): [-0.268941421, 0.268941421],
    ("A", "shared"): [-0.268941421, 0.268941421],
    ("B", "pairwise"): [-0.750723405, 0.170113050, 0.386097956],
    ("B", "shared"): [-0.615303504, 0.198989284, 0.416314220],
    ("F", "pairwise"): [0.731058579, -0.731058579],
}


def tensors(name: str) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    scores, rewards, _, _ = EXAMPLES[name]
    rows = torch.tensor([scores], dtype=torch.float64), torch.tensor([rewards], dtype=torch.float64)
    return (*rows, torch.ones(1, len(scores), dtype=torch.bool))


@pytest.mark.parametrize("name", EXAMPLES)
def test_pairwise_terms(name: str) -> None:
    expected = EXAMPLES[name][2]
    terms = pro_terms(*tensors(name), temperature="pairwise")[0].tolist()
    assert terms[:-1] == pytest.approx(expected, abs=1e-11)
    assert terms[-1] == 0.0


@pytest.mark.parametrize("name", [name for name in EXAMPLES if EXAMPLES[name][3] is not None])
def test_shared_sum(name: str) -> None:
    assert pro_loss(*tensors(name), temperature="shared").item() == pytest.approx(EXAMPLES[name][3], abs=1e-11)


def test_without_temperature_it_is_plackett_luce() -> None:
    # -log of the probability of drawing 0, then 1, by softmax without replacement; by hand
    scores = [-0.5, -1.0, -1.5]
    weights = [math.exp(score) for score in scores]
    expected = -math.log(weights[0] / sum(weights)) - math.log(weights[1] / (weights[1] + weights[2]))
    assert pro_loss(*tensors("B"), temperature="none").item() == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(("name", "temperature"), GRADIENTS)
def test_gradients(name: str, temperature: str) -> None:
    scores, rewards, mask = tensors(name)
    scores.requires_grad_()
    pro_loss(scores, rewards, mask, temperature=temperature).backward()
    assert scores.grad[0].tolist() == pytest.approx(GRADIENTS[name, temperature], abs=1e-9)


def test_min_max_of_the_cosines_is_the_example_that_uses_it() -> None:
    _, rewards, mask = tensors("C_raw")
    assert rescale_rewards(rewards, mask, how="minmax")[0].tolist() == pytest.approx(EXAMPLES["C_mm"][1], abs=1e-12)
    scaled = rescale_rewards(rewards, mask, how="scale", scale=100.0)[0].tolist()
    assert scaled == pytest.approx(EXAMPLES["C_x100"][1], abs=1e-12)


# token log-probabilities of two lists of three candidates; total, ranking and likelihood parts (eps)
OBJECTIVES = {
    "G": (
        [[[-0.2, -0.4, -0.6], [-1, -0.5], [-2, -1, -1.5, -0.5]], [[-0.3, -0.1], [-0.9, -0.7, -0.8], [-1.2]]],
        (1.691806217264, 1.531806217264, 0.16),
    ),
    "G'": (
        [
            [[-0.2, -0.4, -0.6], [-1, -0.5, -0.3], [-2, -1, -1.5]],
            [[-0.3, -0.1, -0.2], [-0.9, -0.7, -0.8], [-1.2, -1, -1.1]],
        ],
        (1.657580516890, 0.932709903040 + 0.544870613849, 0.18),
    ),
}


@pytest.mark.parametrize("name", OBJECTIVES)
def test_full_objective_of_the_reference(name: str) -> None:
    lists, (total, ranking, likelihood) = OBJECTIVES[name]
    width = max(len(tokens) for candidates in lists for tokens in candidates)
    padded = [[tokens + [0.0] * (width - len(tokens)) for tokens in candidates] for candidates in lists]
    logps = torch.tensor(padded, dtype=torch.float64)
    rewards = torch.tensor([[1.5, 1, 0.2], [0.8, 0.5, 0.5]], dtype=torch.float64)
    mask = torch.ones(2, 3, dtype=torch.bool)
    ranked = pro_loss(candidate_scores(logps, logps != 0), rewards, mask, temperature="pairwise")
    lengths = torch.tensor([3, 3])
    likely = sft_term(best_nll(logps, logps != 0, reduction="sum"), lengths, weight=0.05)
    assert likely.item() == pytest.approx(likelihood, abs=1e-12)
    # logsumexp instead of the reference's epsilon: equal to about 1e-10 per term
    assert ranked.item() == pytest.approx(ranking, abs=1e-9)
    assert (ranked + likely).item() == pytest.approx(total, abs=1e-9)
