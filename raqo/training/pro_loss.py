"""Preference ranking optimisation: the mathematics, as pure functions of tensors.

Sources: Song et al. 2024, 'Preference Ranking Optimization for Human Alignment', and its public code; RAQO, Eq. 3.
Shapes: B lists, K candidates (padded), T completion tokens (padded). Candidates are ordered best first.
"""

from __future__ import annotations

import torch
from torch import Tensor

from raqo.training.settings import Reduction, Rescale, Temperature


def pro_loss(
    scores: Tensor, rewards: Tensor, mask: Tensor, *, temperature: Temperature, min_gap: float = 1e-6
) -> Tensor:
    """Mean over lists of the PRO loss; see `pro_terms`."""
    return pro_terms(scores, rewards, mask, temperature=temperature, min_gap=min_gap).sum(1).mean()


def pro_terms(
    scores: Tensor, rewards: Tensor, mask: Tensor, *, temperature: Temperature, min_gap: float = 1e-6
) -> Tensor:
    r"""The terms $L_j$ of RAQO's Eq. 3: candidate j against all candidates after it.

    With gaps $g_{ji} = r_j - r_i = 1/\tau_j^i$ and $g_j^* = \max_{i>j} g_{ji} = 1/\min_i \tau_j^i$:

    - ``pairwise`` (reference code of PRO): $L_j = \log(e^{s_j g_j^*} + \sum_{i>j} e^{s_i g_{ji}}) - s_j g_j^*$
    - ``shared`` (Eq. 3 as printed): $L_j = \log \sum_{i \ge j} e^{s_i g_j^*} - s_j g_j^*$
    - ``none``: $L_j = \log \sum_{i \ge j, g_{ji} \ne 0} e^{s_i} - s_j$

    Scores are multiplied by gaps, never divided by temperatures, so ties are finite. Where all later candidates tie
    with j, ``pairwise`` and ``shared`` give the constant $\log(K-j+1)$ and ``none`` gives 0: no gradient either way. In
    ``none`` a candidate that ties with j is no competitor of j.

    The last term of a list, and so a list of two, is the same under ``pairwise`` and ``shared``; a list of two whose
    rewards were rescaled to 1 and 0 (``minmax``) is the same under all three.

    Args:
        scores: length-normalised log-probabilities, (B, K).
        rewards: best first, (B, K). An unsorted list turns the sign of its gradient: sort before.
        mask: True for real candidates, which come before the padding, (B, K).
        temperature: see above.
        min_gap: rewards that differ by no more than this are tied.

    Returns:
        (B, K); 0 in the last column of each list and in the padding.
    """
    size = scores.shape[1]
    later = torch.ones(size, size, dtype=torch.bool, device=scores.device).triu(1)
    competes = later & mask[:, :, None] & mask[:, None, :]
    gaps = (rewards[:, :, None] - rewards[:, None, :]).masked_fill(~competes, 0.0)
    gaps = gaps.masked_fill(gaps.abs() <= min_gap, 0.0)
    widest = gaps.masked_fill(~competes, -torch.inf).amax(2)
    widest = widest.masked_fill(~competes.any(2), 0.0)

    if temperature == "none":
        competes = competes & (gaps != 0)
        gaps, widest = torch.ones_like(gaps), torch.ones_like(widest)
    elif temperature == "shared":
        gaps = widest[:, :, None].expand_as(gaps)
    own = scores * widest
    others = (scores[:, None, :] * gaps).masked_fill(~competes, -torch.inf)
    return (torch.logsumexp(torch.cat([own[:, :, None], others], dim=2), dim=2) - own) * mask


def sft_term(best_nll: Tensor, lengths: Tensor, *, weight: float) -> Tensor:
    """The likelihood term of PRO's reference code: mean over lists of ``weight * (k - 1)^2 * NLL of the best``.

    Args:
        best_nll: (B,).
        lengths: candidates k of each list, (B,).
        weight: 0.05 in every script of the reference; 0 for RAQO's Eq. 3.
    """
    return weight * ((lengths - 1) ** 2 * best_nll).mean()


def candidate_scores(token_logps: Tensor, token_mask: Tensor) -> Tensor:
    """Mean log-probability over the completion tokens: (B, K, T) to (B, K). A candidate without tokens scores 0."""
    return (token_logps * token_mask).sum(2) / token_mask.sum(2).clamp(min=1)


def best_nll(token_logps: Tensor, token_mask: Tensor, *, reduction: Reduction) -> Tensor:
    """Negative log-likelihood of the first candidate, summed (reference) or averaged over its tokens: (B,)."""
    if reduction == "mean":
        return -candidate_scores(token_logps, token_mask)[:, 0]
    return -(token_logps * token_mask).sum(2)[:, 0]


def rescale_rewards(rewards: Tensor, mask: Tensor, *, how: Rescale, scale: float = 1.0) -> Tensor:
    """Bring the rewards of each list to a common spread; the order is kept and padding becomes 0.

    Args:
        rewards: (B, K).
        mask: (B, K).
        how: ``minmax`` to 0..1 per list; ``zscore`` to mean 0 and (population) deviation 1 per list; ``scale`` times
            `scale`; ``none``. A list of ties becomes all 0 under the first two.
        scale: factor of ``scale``.
    """
    if how == "scale":
        return (rewards * scale).masked_fill(~mask, 0.0)
    if how == "none":
        return rewards.masked_fill(~mask, 0.0)
    if how == "minmax":
        low = rewards.masked_fill(~mask, torch.inf).amin(1, keepdim=True)
        spread = rewards.masked_fill(~mask, -torch.inf).amax(1, keepdim=True) - low
    else:
        count = mask.sum(1, keepdim=True).clamp(min=1)
        low = rewards.masked_fill(~mask, 0.0).sum(1, keepdim=True) / count
        spread = ((rewards - low).masked_fill(~mask, 0.0).square().sum(1, keepdim=True) / count).sqrt()
    # the mean of equal rewards is off by the rounding of their sum
    tiny = torch.finfo(rewards.dtype).eps * rewards.masked_fill(~mask, 0.0).abs().amax(1, keepdim=True) * mask.size(1)
    rescaled = torch.where(spread > tiny, (rewards - low) / spread, torch.zeros_like(rewards))
    return rescaled.masked_fill(~mask, 0.0)


Counts = tuple[Tensor, Tensor]
"""How many, of how many."""


def ranking_accuracy(scores: Tensor, rewards: Tensor, mask: Tensor, *, min_gap: float = 1e-6) -> tuple[Counts, Counts]:
    """How well scores order a batch of lists that are sorted best first.

    Returns:
        Pairs in the right order, of all untied ones (an equal score counts as wrong); lists whose best candidate has
        the highest score, of those with two or more.
    """
    better = (rewards[:, :, None] - rewards[:, None, :] > min_gap) & mask[:, :, None] & mask[:, None, :]
    right = better & (scores[:, :, None] > scores[:, None, :])
    lists = mask.sum(1) > 1
    top = scores.masked_fill(~mask, -torch.inf).argmax(1) == 0
    return (right.sum(), better.sum()), ((top & lists).sum(), lists.sum())
