from __future__ import annotations

import logging
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from raqo.errors import ConfigError
from raqo.retrievers.index_settings import LshSettings
from raqo.retrievers.vectors.lsh import draw_hyperplanes
from raqo.retrievers.vectors.lsh_index import LshTables
from raqo.retrievers.vectors.lsh_tuning import tune


def _clustered(count: int, dimension: int = 32, *, spread: float = 0.6, seed: int = 0) -> np.ndarray:  # type: ignore[type-arg]
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((count // 20 + 1, dimension))
    vectors = centres[rng.integers(0, len(centres), count)] + spread * rng.standard_normal((count, dimension))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def _nearest(vectors: np.ndarray, queries: np.ndarray, k: int) -> list[set[int]]:  # type: ignore[type-arg]
    return [set(row) for row in np.argsort(-(queries @ vectors.T), axis=1)[:, :k].tolist()]


def _by_the_paper(vectors, queries, planes, probes):  # type: ignore[no-untyped-def]
    """Algorithm 1 line by line: dictionaries of bit strings."""
    tables = [defaultdict(set) for _ in planes]
    for document, vector in enumerate(vectors):
        for table, hyperplanes in zip(tables, planes, strict=True):
            table["".join("1" if vector @ normal >= 0 else "0" for normal in hyperplanes)].add(document)
    for query in queries:
        union: set[int] = set()
        for table, hyperplanes in zip(tables, planes, strict=True):
            dots = [float(query @ normal) for normal in hyperplanes]
            bits = ["1" if dot >= 0 else "0" for dot in dots]
            union |= table.get("".join(bits), set())
            for at in sorted(range(len(dots)), key=lambda bit: abs(dots[bit]))[:probes]:
                turned = [*bits[:at], "0" if bits[at] == "1" else "1", *bits[at + 1 :]]
                union |= table.get("".join(turned), set())
        yield sorted(union)


@pytest.mark.parametrize(
    ("tables", "hyperplanes", "probes"), [(1, 1, 0), (5, 6, 0), (8, 10, 0), (4, 8, 3), (3, 20, 20)]
)
def test_candidates_are_those_of_the_algorithm(tables: int, hyperplanes: int, probes: int) -> None:
    vectors, queries = _clustered(400), _clustered(40, seed=1)
    index = LshTables.build(vectors, LshSettings(tables=tables, hyperplanes=hyperplanes, probes=probes, seed=3))
    planes = draw_hyperplanes(tables, hyperplanes, 32, seed=3)
    expected = list(_by_the_paper(vectors, queries, planes, probes))
    assert [found.tolist() for found in index.find(queries, 10)] == expected
    assert any(expected)


def test_round_trip_is_mapped_and_keys_are_as_narrow_as_they_can_be(tmp_path: Path) -> None:
    vectors, settings = _clustered(300), LshSettings(tables=4, hyperplanes=12)
    built = LshTables.build(vectors, settings)
    built.save(tmp_path)
    opened = LshTables.open(tmp_path, settings)
    assert isinstance(opened._keys, np.memmap)
    assert isinstance(opened._order, np.memmap)
    assert opened._keys.dtype == np.uint16
    assert opened.shape == (4, 12)
    for left, right in zip(built.find(vectors[:20], 5), opened.find(vectors[:20], 5), strict=True):
        np.testing.assert_array_equal(left, right)


def test_a_document_always_finds_itself_and_its_copies() -> None:
    vectors = np.repeat(_clustered(50), 3, axis=0)
    index = LshTables.build(vectors, LshSettings(tables=2, hyperplanes=40))
    for row, found in enumerate(index.find(vectors, 1)):
        assert set(range(row // 3 * 3, row // 3 * 3 + 3)) <= set(found.tolist())


def test_empty_buckets_give_nothing_or_the_whole_gallery() -> None:
    vectors, queries = _clustered(60), -_clustered(60)[:10]
    short = LshTables.build(vectors, LshSettings(tables=1, hyperplanes=16))
    assert [len(found) for found in short.find(queries, 5)] == [0] * 10
    scanning = LshTables.build(vectors, LshSettings(tables=1, hyperplanes=16, scan_when_short=True))
    assert all(found.tolist() == list(range(60)) for found in scanning.find(queries, 5))
    assert all(len(found) < 60 for found in scanning.find(vectors[:10], 1))


def test_tuning_reaches_its_target_within_the_budget() -> None:
    vectors = _clustered(4000)
    settings = LshSettings(target_recall=0.9, max_candidates=1500)
    tuning = tune(vectors, settings, target=0.9)
    assert tuning.recall >= 0.9
    assert tuning.candidates <= 1500
    index = LshTables.build(vectors, settings)
    assert index.shape == (tuning.tables, tuning.hyperplanes)
    queries = vectors[::40]
    found = [set(row.tolist()) for row in index.find(queries, 10)]
    recall = np.mean([len(near & got) / 10 for near, got in zip(_nearest(vectors, queries, 10), found, strict=True)])
    assert recall > 0.86  # the ten include the document itself, always found
    assert np.mean([len(got) for got in found]) == pytest.approx(tuning.candidates, rel=0.35)


def test_a_higher_target_costs_more() -> None:
    vectors = _clustered(2000)
    cost = [tune(vectors, LshSettings(max_candidates=2000), target=target).candidates for target in (0.5, 0.8, 0.95)]
    assert cost == sorted(cost)
    assert cost[0] < cost[-1] / 2


def test_a_target_out_of_reach_is_said_and_the_budget_kept(caplog: pytest.LogCaptureFixture) -> None:
    vectors = _clustered(2000, spread=3.0)  # hardly any clusters: neighbours are far
    with caplog.at_level(logging.WARNING):
        tuning = tune(vectors, LshSettings(max_candidates=50), target=0.99)
    assert tuning.candidates <= 50
    assert tuning.recall < 0.99
    assert "no hash tables reach a recall of 0.99" in caplog.text


@pytest.mark.parametrize("count", [1, 2, 5])
def test_tiny_galleries_are_tuned_too(count: int) -> None:
    vectors = _clustered(count)
    index = LshTables.build(vectors, LshSettings(target_recall=0.9))
    assert [row in found for row, found in enumerate(index.find(vectors, 1))] == [True] * count


@pytest.mark.parametrize(
    "change",
    [
        *({"tables": 0}, {"hyperplanes": 0}, {"hyperplanes": 63}, {"probes": 13}, {"probes": -1}, {"seed": -1}),
        *({"target_recall": 1.0}, {"target_recall": 0.0}, {"max_candidates": 0}, {"max_tables": 0}),
    ],
)
def test_settings_out_of_range(change: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=rf"retriever\.lsh\.{next(iter(change))}: expected"):
        LshSettings(**change)  # type: ignore[arg-type]
