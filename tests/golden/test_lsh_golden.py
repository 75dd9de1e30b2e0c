"""Golden bits of Algorithm 1 (QueryFormer).

The bits by seed were computed once with exact rational arithmetic over the drawn normals, one hyperplane after another,
each table's bits written down as the paper's string. The bits by hand need no arithmetic beyond a head's.
"""

from __future__ import annotations

import numpy as np
import pytest

from raqo.retrievers.vectors.lsh import agreement, bits_of, draw_hyperplanes, found_probability, keys_of, project

PLANES = np.array([[[1, 0, 0], [0, -1, 0], [1, 1, -2]]], dtype=np.float32)

BY_HAND = {
    (2.0, -1.0, 0.5): "111",  # the third dot product is exactly 0
    (0.0, 0.0, 1.0): "110",  # the first two are
    (-1.0, 1.0, 1.0): "000",
    (-1.0, -1.0, 0.0): "010",
    (0.0, 0.0, 0.0): "111",
}

FIRST_NORMAL = [1.5219693183898926, -1.1441057920455933, 1.150161623954773, -1.7846531867980957]
LAST_NORMAL = [1.3867344856262207, -0.18492461740970612, -0.2980491816997528, 1.545235276222229]
BY_SEED = {  # seed 7, three tables of five hyperplanes over four dimensions
    (0.5, -0.5, 0.5, 0.5): ["10111", "10100", "01011"],
    (0.5, 0.5, 0.5, 0.5): ["00110", "10100", "01011"],
    (-0.5, 0.5, 0.5, -0.5): ["11000", "00011", "10110"],
    (1.0, 0.0, 0.0, 0.0): ["10010", "11000", "01011"],
    (0.0, 0.0, 0.0, 0.0): ["11111", "11111", "11111"],
}

# 1 - (1 - p^k)^L by cosine, hyperplanes k and tables L, worked out beforehand to three digits
RECALL = {
    (0.9, 8, 8): 0.935,
    (0.9, 12, 16): 0.933,
    (0.9, 16, 32): 0.939,
    (0.7, 8, 8): 0.557,
    (0.7, 12, 16): 0.387,
    (0.7, 16, 32): 0.260,
    (0.5, 8, 8): 0.273,
    (0.5, 12, 16): 0.116,
    (0.5, 16, 32): 0.048,
    (0.0, 8, 8): 0.031,
    (0.0, 12, 16): 0.004,
    (0.0, 16, 32): 0.0005,
}


@pytest.mark.parametrize("together", [True, False])
def test_bits_by_hand(together: bool) -> None:
    vectors = np.array(list(BY_HAND), dtype=np.float32)
    batches = [vectors] if together else np.split(vectors, len(vectors))
    bits = np.concatenate([bits_of(project(batch, PLANES)) for batch in batches])
    assert ["".join("01"[int(bit)] for bit in row[0]) for row in bits] == list(BY_HAND.values())
    assert keys_of(bits)[:, 0].tolist() == [int(text, 2) for text in BY_HAND.values()]


def test_bits_by_seed() -> None:
    planes = draw_hyperplanes(3, 5, 4, seed=7)
    assert planes[0, 0].tolist() == FIRST_NORMAL
    assert planes[2, 4].tolist() == LAST_NORMAL
    keys = keys_of(bits_of(project(np.array(list(BY_SEED), dtype=np.float32), planes)))
    assert [[f"{key:05b}" for key in row] for row in keys.tolist()] == list(BY_SEED.values())


@pytest.mark.parametrize(("cosine", "hyperplanes", "tables"), RECALL)
def test_recall_of_the_formula(cosine: float, hyperplanes: int, tables: int) -> None:
    expected = RECALL[cosine, hyperplanes, tables]
    found = found_probability(agreement(cosine), tables=tables, hyperplanes=hyperplanes)
    assert float(found) == pytest.approx(expected, abs=6e-4)
