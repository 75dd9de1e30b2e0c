"""InfoNCE over in-batch and hard negatives (van den Oord et al. 2018; QueryFormer, *Training*)."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import torch
from torch import Tensor


def info_nce(scores: Tensor, positives: Tensor, negatives: Tensor, *, temperature: float = 1.0) -> Tensor:
    """-log of the positive's share of exp(score) among itself and its negatives, averaged over the queries.

    Args:
        scores: (B, P), inner products of queries and passages.
        positives: (B,), the column of each query's own passage.
        negatives: (B, P), True where a passage is a negative of a query. The positive counts whatever is said there.
        temperature: divides the scores; the paper has none (1).
    """
    kept = negatives.scatter(1, positives[:, None], True)
    shares = (scores / temperature).masked_fill(~kept, float("-inf")).log_softmax(dim=1)
    return -shares.gather(1, positives[:, None]).mean()


def negative_mask(passages: Sequence[str], known: Sequence[Collection[str]]) -> Tensor:
    """Which passages of a batch are negatives of which query: (B, P).

    The paper leaves out copies of the positive from the sum over the batch. Here no passage known to be right for a
    query counts against it either: it is no negative because it came with another query, or as its hard negative.

    Args:
        passages: ids of the batch's passages; one may occur several times.
        known: for each query the ids of the passages known to be right.
    """
    return torch.tensor([[passage not in right for passage in passages] for right in known], dtype=torch.bool)
