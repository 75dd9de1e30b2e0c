"""Is a difference more than chance, and whom does it help or harm?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Changes:
    """Queries that gained a hit against the raw query, lost one, or neither."""

    helped: int
    harmed: int
    unchanged: int


def changes(raw_hits: Values, hits: Values) -> Changes:
    """Count gained and lost hits.

    Args:
        raw_hits: 1 where the raw query had a target among the first k, else 0; shape (n,).
        hits: the same for the compared system, queries in the same order; shape (n,).
    """
    helped, harmed = int(np.sum(hits > raw_hits)), int(np.sum(hits < raw_hits))
    return Changes(helped, harmed, int(hits.size) - helped - harmed)


def paired_p_value(raw: Values, other: Values, *, permutations: int = 10_000, seed: int = 0) -> float:
    """Two-sided paired permutation test of the mean difference (Fisher's randomisation test; Smucker et al. 2007).

    Under the null hypothesis each query's two values could be exchanged, which flips the sign of its difference.
    Queries without a difference carry no information and are left out. Where all the others differ by the same amount
    (hits: 0 or 1) the null distribution is binomial and p is exact (McNemar's exact test). Otherwise all 2^m sign
    patterns are counted if there are at most `permutations`, or that many are drawn: p >= 2 / (permutations + 1).

    Args:
        raw: values of the baseline; shape (n,).
        other: values of the compared system, queries in the same order; shape (n,).
        permutations: number of resamples.
        seed: seed of the resamples.
    """
    from scipy import stats

    differences = (other - raw)[other != raw]
    if not differences.size:
        return 1.0
    if np.ptp(np.abs(differences)) == 0:
        return float(stats.binomtest(int(np.sum(differences > 0)), differences.size).pvalue)
    test = stats.permutation_test(
        (differences,),
        np.mean,
        permutation_type="samples",
        vectorized=True,
        n_resamples=permutations,
        batch=max(1, 4_000_000 // differences.size),
        rng=np.random.default_rng(seed),
    )
    return float(test.pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """Correct for testing several hypotheses at once (Holm 1979): controls the chance of any false finding."""
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    corrected, highest = [0.0] * len(p_values), 0.0
    for position, index in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - position) * p_values[index]))
        corrected[index] = highest
    return corrected
