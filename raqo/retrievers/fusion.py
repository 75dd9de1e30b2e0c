"""Several scores of the same documents into one, as pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from raqo.errors import ConfigError, message, nearest
from raqo.protocols import FloatArray
from raqo.records import Ranking

Scores = npt.NDArray[np.float64]

METHODS = ("rrf", "sum")


@dataclass(frozen=True, slots=True, kw_only=True)
class FusionSettings:
    """How the parts of a hybrid retriever are put together.

    Attributes:
        method: ``rrf`` adds reciprocal ranks (Cormack et al. 2009), ``sum`` adds min-max normalised scores.
        weights: one for each part; empty: all equal, 1 for ``rrf`` and 1 / parts for ``sum``.
        depth: the best documents of each part that are fused; what is in no part's best is never found.
        rrf_k: the constant of ``rrf``; 60 is that paper's.
    """

    method: Literal["rrf", "sum"] = "rrf"
    weights: tuple[float, ...] = ()
    depth: int = 100
    rrf_k: float = 60.0

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            problem = f"expected {' or '.join(METHODS)}, got {self.method!r}{nearest(str(self.method), METHODS)}"
            raise ConfigError(message("retriever.fusion.method", problem, "correct the name"))
        if self.depth < 1:
            raise ConfigError(message("retriever.fusion.depth", f"expected at least 1, got {self.depth}", "raise it"))
        if not 0 <= self.rrf_k < float("inf"):
            raise ConfigError(
                message("retriever.fusion.rrf_k", f"expected 0 or more, got {self.rrf_k}", "give e.g. 60")
            )
        wrong = [weight for weight in self.weights if not 0 <= weight < float("inf")]
        if wrong or (self.weights and not any(self.weights)):
            problem = f"expected numbers from 0, not all 0, got {list(self.weights)}"
            raise ConfigError(message("retriever.fusion.weights", problem, "correct them"))

    def weights_for(self, parts: int) -> tuple[float, ...]:
        """One weight for each part."""
        return self.weights or (1.0 if self.method == "rrf" else 1 / parts,) * parts


def ranks(ranking: Ranking) -> dict[str, int]:
    """1-based rank of each document; documents with equal scores share the best of their ranks."""
    found: dict[str, int] = {}
    for position, hit in enumerate(ranking.hits, 1):
        before = ranking.hits[position - 2]
        shares = position > 1 and before.score == hit.score
        found[hit.doc_id] = found[before.doc_id] if shares else position
    return found


def reciprocal_rank_fusion(
    rankings: Sequence[Ranking], doc_ids: Sequence[str], *, weights: Sequence[float], k: float = 60.0
) -> FloatArray:
    """Reciprocal rank fusion: sum over the rankings of weight / (k + rank); (n,) for n documents.

    A ranking that does not hold a document adds nothing to its score.
    """
    total: Scores = np.zeros(len(doc_ids))
    for ranking, weight in zip(rankings, weights, strict=True):
        rank_of = ranks(ranking)
        total += [weight / (k + rank_of[doc_id]) if doc_id in rank_of else 0.0 for doc_id in doc_ids]
    return total.astype(np.float32)


def min_max_sum(scores: FloatArray, *, lowest: FloatArray, highest: FloatArray, weights: Sequence[float]) -> FloatArray:
    """Sum over the parts of weight * (score - lowest) / (highest - lowest): (parts, n) -> (n,).

    A part whose lowest and highest score are equal, (parts,) each, cannot tell documents apart and adds nothing.
    """
    span = highest.astype(np.float64) - lowest
    scale = np.divide(np.asarray(weights, dtype=np.float64), span, out=np.zeros(len(span)), where=span > 0)
    total: Scores = ((scores - lowest[:, None].astype(np.float64)) * scale[:, None]).sum(axis=0)
    return total.astype(np.float32)
