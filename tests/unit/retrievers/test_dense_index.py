from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raqo.errors import DataError, RunFolderError
from raqo.retrievers.index_folder import IndexIdentity, Manifest, is_valid, read_manifest, write_index
from raqo.retrievers.vectors.dense_index import EMBEDDINGS, DenseIndex

IDENTITY = IndexIdentity(model="m", weights="w", gallery="g")


def _index(embeddings: np.ndarray) -> DenseIndex:  # type: ignore[type-arg]
    ids = tuple(f"d{row:04}" for row in range(len(embeddings)))
    return DenseIndex(Manifest(identity=IDENTITY, doc_ids=ids, skipped=(("bad", "torn"),)), embeddings)


def _write(folder: Path, count: int = 5) -> Path:
    embeddings = np.eye(count, 8, dtype=np.float32)
    ids = [f"d{row}" for row in range(count)]
    write_index(folder, IDENTITY, doc_ids=ids, save=lambda at: np.save(at / EMBEDDINGS, embeddings))
    return folder


@settings(max_examples=60, deadline=None)
@given(data=st.data(), documents=st.integers(1, 120), queries=st.integers(1, 4), k=st.integers(1, 130))
def test_search_equals_a_full_sort_however_many_ties(data: st.DataObject, documents: int, queries: int, k: int) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    embeddings = rng.integers(-1, 2, (documents, 3)).astype(np.float32)  # whole numbers: sums are exact, ties abound
    vectors = rng.integers(-1, 2, (queries, 3)).astype(np.float32)
    index = _index(embeddings)
    for vector, hits in zip(vectors, index.search(vectors, k), strict=True):
        scores = embeddings.astype(int) @ vector.astype(int)
        expected = sorted(range(documents), key=lambda row: (-scores[row], row))[:k]
        assert [(hit.doc_id, hit.score) for hit in hits] == [(f"d{row:04}", float(scores[row])) for row in expected]


def test_scores_do_not_depend_on_the_batch_and_equal_similarity_to_the_bit() -> None:
    rng = np.random.default_rng(0)
    embeddings = rng.standard_normal((3000, 96)).astype(np.float32)
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    vectors = embeddings[:600] + 0.05 * rng.standard_normal((600, 96)).astype(np.float32)
    index = _index(embeddings)
    together = list(index.search(vectors, 10))
    assert [next(index.search(vectors[row : row + 1], 10)) for row in range(600)] == together
    best = [hits[0] for hits in together]
    np.testing.assert_array_equal(index.scores(vectors, [hit.doc_id for hit in best]), [hit.score for hit in best])
    assert [hit.doc_id for hit in best] == [f"d{row:04}" for row in range(600)]


def test_unknown_and_skipped_documents_are_named() -> None:
    index = _index(np.eye(3, dtype=np.float32))
    with pytest.raises(DataError, match=r"'nope'.*not among the 3"):
        index.scores(np.eye(1, 3, dtype=np.float32), ["nope"])
    with pytest.raises(DataError, match=r"left out: torn"):
        index.scores(np.eye(1, 3, dtype=np.float32), ["bad"])


def test_round_trip_is_mapped_not_loaded(tmp_path: Path) -> None:
    index = DenseIndex.open(_write(tmp_path / "index"))
    assert isinstance(index.embeddings, np.memmap)
    assert index.doc_ids == ("d0", "d1", "d2", "d3", "d4")
    assert index.identity == IDENTITY
    assert sorted(path.name for path in tmp_path.iterdir()) == ["index"]


def test_writing_again_replaces_and_a_mapped_reader_keeps_what_it_has(tmp_path: Path) -> None:
    before = DenseIndex.open(_write(tmp_path / "index", count=5))
    _write(tmp_path / "index", count=7)
    assert len(DenseIndex.open(tmp_path / "index").doc_ids) == 7
    np.testing.assert_array_equal(before.embeddings, np.eye(5, 8))


@pytest.mark.parametrize("name", [EMBEDDINGS, "doc_ids.json", "manifest.json"])
@pytest.mark.parametrize("damage", ["remove", "truncate", "change"])
def test_a_damaged_index_says_which_file_and_what_to_do(tmp_path: Path, name: str, damage: str) -> None:
    path = _write(tmp_path / "index") / name
    data = path.read_bytes()
    if damage == "remove":
        path.unlink()
    else:
        path.write_bytes(data[: len(data) // 2] if damage == "truncate" else b"x" + data[1:])
    with pytest.raises(DataError, match="build the index again") as caught:
        DenseIndex.open(tmp_path / "index")
    assert damage != "remove" or name in str(caught.value)
    assert not is_valid(tmp_path / "index", IDENTITY)


def test_a_failed_write_leaves_the_old_index_and_no_litter(tmp_path: Path) -> None:
    _write(tmp_path / "index")

    def full(folder: Path) -> None:
        (folder / EMBEDDINGS).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    with pytest.raises(RunFolderError, match=r"No space left.*cache_dir"):
        write_index(tmp_path / "index", IDENTITY, doc_ids=["a"], save=full)
    assert len(read_manifest(tmp_path / "index").doc_ids) == 5
    assert sorted(path.name for path in tmp_path.iterdir()) == ["index"]


def test_a_file_where_the_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(RunFolderError, match="cannot be written"):
        _write(tmp_path / "taken" / "index")


def test_an_index_of_a_later_format_is_refused(tmp_path: Path) -> None:
    manifest = _write(tmp_path / "index") / "manifest.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "format": 99}))
    with pytest.raises(DataError, match="format 99"):
        read_manifest(tmp_path / "index")


def test_documents_that_nearly_tie_are_all_scored_however_long_the_vectors_are() -> None:
    """Sums of long vectors differ by more between two kernels, so more documents could tie with the last."""
    rng = np.random.default_rng(3)
    base = rng.normal(size=48).astype(np.float32)
    for scale in (1.0, 1e4):
        order = rng.permuted(np.tile(np.arange(48), (400, 1)), axis=1)
        embeddings = np.take(np.float32(scale) * base, order)  # equal but for the order of summing
        query = np.full((1, 48), np.float32(scale))
        index = _index(embeddings)
        exact = np.vecdot(embeddings, query[0])
        expected = np.argsort(-exact, kind="stable")[:10]
        (hits,) = index.search(query, 10)
        assert [hit.doc_id for hit in hits] == [f"d{row:04}" for row in expected]
