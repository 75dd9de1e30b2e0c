from __future__ import annotations

import math

import numpy as np
import pytest

from raqo.retrievers.index_settings import LshSettings
from raqo.retrievers.vectors.lsh import (
    agreement,
    bits_of,
    draw_hyperplanes,
    found_probability,
    keys_of,
    probed_keys,
    project,
)
from raqo.retrievers.vectors.lsh_index import LshTables


def _unit(rng: np.random.Generator, *shape: int) -> np.ndarray:  # type: ignore[type-arg]
    vectors = rng.standard_normal(shape).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


@pytest.mark.parametrize(
    ("cosine", "hyperplanes", "tables"),
    [(0.9, 8, 8), (0.9, 12, 16), (0.7, 8, 8), (0.5, 4, 6), (0.0, 3, 5), (-0.5, 1, 2)],
)
def test_pairs_at_a_known_angle_are_found_as_often_as_the_formula_says(
    cosine: float, hyperplanes: int, tables: int
) -> None:
    """Every trial has planes and vectors of its own, so the count is binomial; 4 standard deviations are allowed."""
    trials, rng, found = 800, np.random.default_rng(1), 0
    for trial in range(trials):
        document, other = _unit(rng, 2, 8)
        across = other - (other @ document) * document
        query = cosine * document + math.sqrt(1 - cosine**2) * across / np.linalg.norm(across)
        settings = LshSettings(tables=tables, hyperplanes=hyperplanes, seed=trial)
        (candidates,) = LshTables.build(document[None], settings).find(query[None].astype(np.float32), 1)
        found += len(candidates)
    expected = 1 - (1 - (1 - math.acos(cosine) / math.pi) ** hyperplanes) ** tables
    assert abs(found / trials - expected) < 4 * math.sqrt(expected * (1 - expected) / trials)
    formula = found_probability(agreement(cosine), tables=tables, hyperplanes=hyperplanes)
    assert float(formula) == pytest.approx(expected, rel=1e-12)


def test_bits_do_not_depend_on_the_batch() -> None:
    rng = np.random.default_rng(0)
    planes = draw_hyperplanes(16, 12, 48, seed=0)
    vectors = _unit(rng, 500, 48)
    flat = planes.reshape(-1, 48)
    on_planes = vectors - (vectors @ flat[7])[:, None] * flat[7] / (flat[7] @ flat[7])  # a dot product of nearly 0 each
    on_planes = (on_planes / np.linalg.norm(on_planes, axis=1, keepdims=True)).astype(np.float32)
    together = keys_of(bits_of(project(on_planes, planes)))
    alone = np.concatenate([keys_of(bits_of(project(on_planes[row : row + 1], planes))) for row in range(500)])
    np.testing.assert_array_equal(together, alone)
    odd = keys_of(bits_of(project(on_planes[::3].copy(), planes)))
    np.testing.assert_array_equal(together[::3], odd)


def test_probes_turn_the_most_narrowly_decided_bits_first() -> None:
    dots = np.array([[[0.5, -0.1, 0.3, -2.0]]], dtype=np.float32)  # key 1010; narrowest: second, third, first, fourth
    assert [f"{key:04b}" for key in probed_keys(dots, 4)[0, 0].tolist()] == ["1010", "1110", "1000", "0010", "1011"]
    assert probed_keys(dots, 0).shape == (1, 1, 1)


def test_keys_of_many_bits_keep_every_bit() -> None:
    bits = np.zeros((62, 62), dtype=bool)
    np.fill_diagonal(bits, True)
    assert keys_of(bits).tolist() == [2 ** (61 - at) for at in range(62)]


def test_hyperplanes_are_standard_normal_and_bound_to_the_seed() -> None:
    planes = draw_hyperplanes(20, 10, 100, seed=5)
    assert planes.shape == (20, 10, 100)
    assert abs(float(planes.mean())) < 0.03
    assert abs(float(planes.std()) - 1) < 0.03
    np.testing.assert_array_equal(planes, draw_hyperplanes(20, 10, 100, seed=5))
    assert not np.array_equal(planes, draw_hyperplanes(20, 10, 100, seed=6))


def test_agreement_is_one_minus_the_angle_over_pi() -> None:
    assert agreement([1.0, 0.0, -1.0, 1.0000001]).tolist() == pytest.approx([1, 0.5, 0, 1])
