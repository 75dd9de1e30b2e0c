from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from raqo.errors import ConfigError
from raqo.retrievers.index_folder import IndexIdentity, write_index
from raqo.retrievers.index_settings import HammingSettings, HnswSettings, IndexSettings, IvfSettings, LshSettings
from raqo.retrievers.vectors.dense_index import EMBEDDINGS, DenseIndex
from raqo.retrievers.vectors.finders import with_finder

FINDERS: dict[str, tuple[IndexSettings, float]] = {  # and the least recall of the ten nearest
    "ivf": (IvfSettings(lists=30, probes=8), 0.95),
    "ivf-auto": (IvfSettings(), 0.95),
    "hnsw": (HnswSettings(), 0.98),
    "lsh-faiss": (HammingSettings(bits=256), 0.98),
    "lsh": (LshSettings(tables=24, hyperplanes=8), 0.9),
    "lsh-probed": (LshSettings(tables=12, hyperplanes=8, probes=3), 0.9),
}


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:  # type: ignore[type-arg]
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((100, 32))
    made = centres[rng.integers(0, 100, 2000)] + 0.5 * rng.standard_normal((2000, 32))
    return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def index(vectors: np.ndarray, tmp_path: Path) -> DenseIndex:  # type: ignore[type-arg]
    return _flat(vectors, tmp_path)


def _flat(vectors: np.ndarray, folder: Path) -> DenseIndex:  # type: ignore[type-arg]
    identity = IndexIdentity(model="m", weights="w", gallery=str(len(vectors)))
    doc_ids = [f"d{row:05}" for row in range(len(vectors))]
    write_index(folder / "flat", identity, doc_ids=doc_ids, save=lambda new: np.save(new / EMBEDDINGS, vectors))
    return DenseIndex.open(folder / "flat")


@pytest.mark.parametrize("name", FINDERS)
def test_recall_against_the_exact_search(name: str, index: DenseIndex, tmp_path: Path) -> None:
    settings, least = FINDERS[name]
    near = with_finder(index, settings, index_dir=tmp_path)
    rng = np.random.default_rng(1)
    queries = index.embeddings[::20] + 0.05 * rng.standard_normal((100, 32)).astype(np.float32)
    exact, found = list(index.search(queries, 10)), list(near.search(queries, 10))
    shared = [len(set(left) & set(right)) / 10 for left, right in zip(exact, found, strict=True)]  # ids and scores
    assert np.mean(shared) >= least
    assert next(near.search(queries[3:4], 10)) == found[3]
    if name != "lsh-faiss":  # a short list of bit strings is no proof of less work
        assert np.mean([len(row) for row in near._finder.find(queries, 10)]) < 1000  # type: ignore[union-attr]
    some = [hits[0].doc_id for hits in found]
    np.testing.assert_array_equal(near.scores(queries, some), index.scores(queries, some))


@pytest.mark.parametrize("name", FINDERS)
def test_what_was_indexed_is_reused_and_bound_to_its_settings(
    name: str, index: DenseIndex, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings, _ = FINDERS[name]
    with caplog.at_level(logging.INFO):
        first = with_finder(index, settings, index_dir=tmp_path)
        assert "indexing 2000 vectors" in caplog.text
        caplog.clear()
        again = with_finder(index, settings, index_dir=tmp_path)
        assert caplog.text == ""
    assert first.identity == again.identity != index.identity
    queries = index.embeddings[:50]
    assert list(first.search(queries, 5)) == list(again.search(queries, 5))


def test_every_setting_gives_another_fingerprint(index: DenseIndex, tmp_path: Path) -> None:
    every = [settings for settings, _ in FINDERS.values()]
    every += [LshSettings(tables=24, hyperplanes=8, seed=1), HnswSettings(search_breadth=65), IvfSettings(probes=9)]
    prints = {with_finder(index, settings, index_dir=tmp_path).identity.fingerprint for settings in every}
    assert len(prints | {index.identity.fingerprint}) == len(every) + 1


def test_a_damaged_finder_is_built_anew(index: DenseIndex, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for settings, name in ((LshSettings(), "keys.npy"), (HnswSettings(), "index.faiss")):
        before = list(with_finder(index, settings, index_dir=tmp_path).search(index.embeddings[:5], 3))
        (path,) = tmp_path.glob(f"*/{name}")
        path.write_bytes(path.read_bytes()[:-8])
        again = with_finder(index, settings, index_dir=tmp_path)
        assert f"{name} is truncated" in caplog.text
        assert list(again.search(index.embeddings[:5], 3)) == before


@pytest.mark.parametrize("name", FINDERS)
@pytest.mark.parametrize("count", [1, 3, 40])
def test_small_galleries_and_deep_rankings(name: str, count: int, tmp_path: Path) -> None:
    index = _flat(np.eye(count, 48, dtype=np.float32), tmp_path)
    settings = IvfSettings(lists=1) if name == "ivf" else FINDERS[name][0]
    near = with_finder(index, settings, index_dir=tmp_path)
    for row, hits in enumerate(near.search(np.eye(count, 48, dtype=np.float32), count + 5)):
        assert (hits[0].doc_id, hits[0].score) == (f"d{row:05}", 1.0)
        assert len(hits) <= count
        assert [hit.doc_id for hit in hits[1:]] == sorted(hit.doc_id for hit in hits[1:])  # all tied at 0


def test_copies_tie_and_are_ordered_by_id(vectors: np.ndarray, tmp_path: Path) -> None:  # type: ignore[type-arg]
    index = _flat(np.repeat(vectors[:100], 4, axis=0), tmp_path)
    for settings, _ in FINDERS.values():
        lists = IvfSettings(lists=5) if isinstance(settings, IvfSettings) else settings
        near = with_finder(index, lists, index_dir=tmp_path)
        for row, hits in enumerate(near.search(vectors[:100], 4)):
            assert [hit.doc_id for hit in hits] == [f"d{at:05}" for at in range(4 * row, 4 * row + 4)]


def test_more_lists_than_vectors(tmp_path: Path) -> None:
    index = _flat(np.eye(5, dtype=np.float32), tmp_path)
    with pytest.raises(ConfigError, match=r"retriever\.ivf\.lists: expected at most one list per vector \(5\), got 6"):
        with_finder(index, IvfSettings(lists=6), index_dir=tmp_path)


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        (IvfSettings, {"lists": 0}),
        (IvfSettings, {"probes": 0}),
        (HnswSettings, {"links": 1}),
        (HnswSettings, {"build_breadth": 0}),
        (HnswSettings, {"search_breadth": 0}),
        (HammingSettings, {"bits": 7}),
        (HammingSettings, {"refine": 0}),
    ],
)
def test_settings_out_of_range(kind: type, change: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match=rf"\.{next(iter(change))}: expected at least"):
        kind(**change)
