from __future__ import annotations

import numpy as np
import pytest

from raqo.errors import ConfigError
from raqo.records import Hit, Ranking
from raqo.retrievers.fusion import FusionSettings, min_max_sum, ranks, reciprocal_rank_fusion


def _ranking(*hits: tuple[str, float]) -> Ranking:
    return Ranking("q", tuple(Hit(doc_id, score) for doc_id, score in hits))


def test_reciprocal_ranks_by_hand() -> None:
    rankings = [_ranking(("a", 9.0), ("b", 8.0), ("c", 7.0)), _ranking(("c", 0.3), ("a", 0.2))]
    fused = reciprocal_rank_fusion(rankings, ["a", "b", "c", "d"], weights=(1, 1))
    assert fused.tolist() == pytest.approx([1 / 61 + 1 / 62, 1 / 62, 1 / 63 + 1 / 61, 0])
    weighted = reciprocal_rank_fusion(rankings, ["a", "b"], weights=(0.5, 2), k=1)
    assert weighted.tolist() == pytest.approx([0.5 / 2 + 2 / 3, 0.5 / 3])


def test_equal_scores_share_the_best_rank() -> None:
    found = ranks(_ranking(("a", 5.0), ("b", 4.0), ("c", 4.0), ("d", 4.0), ("e", 1.0)))
    assert found == {"a": 1, "b": 2, "c": 2, "d": 2, "e": 5}
    assert ranks(_ranking()) == {}


def test_min_max_by_hand() -> None:
    """Scores 2, 4, 10 between 2 and 10 are 0, 1/4, 1; a part that says the same of all adds nothing."""
    scores = np.array([[2, 4, 10], [0.5, 0.9, 0.7], [3, 3, 3]], dtype=np.float32)
    bounds = {"lowest": scores.min(axis=1), "highest": scores.max(axis=1)}
    fused = min_max_sum(scores, **bounds, weights=(0.6, 0.3, 0.1))
    assert fused.tolist() == pytest.approx([0, 0.6 / 4 + 0.3, 0.6 + 0.15], abs=1e-6)
    outside = min_max_sum(np.array([[0], [0.5], [3]], dtype=np.float32), **bounds, weights=(0.6, 0.3, 0.1))
    assert outside.tolist() == pytest.approx([-0.15])


def test_default_weights() -> None:
    assert FusionSettings().weights_for(3) == (1, 1, 1)
    assert FusionSettings(method="sum").weights_for(4) == (0.25,) * 4
    assert FusionSettings(weights=(1, 2)).weights_for(2) == (1, 2)


@pytest.mark.parametrize(
    "change",
    [
        *({"method": "rff"}, {"depth": 0}, {"rrf_k": -1.0}, {"rrf_k": float("nan")}),
        *({"weights": (1.0, -1.0)}, {"weights": (0.0, 0.0)}, {"weights": (float("inf"), 1.0)}),
    ],
)
def test_settings_out_of_range(change: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=rf"retriever\.fusion\.{next(iter(change))}: expected"):
        FusionSettings(**change)  # type: ignore[arg-type]


def test_a_misspelt_method_is_answered_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean 'rrf'"):
        FusionSettings(method="rff")  # type: ignore[arg-type]
