"""Building from a stream: the index of bm25s itself, whatever the order, the blocks and the shards."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import bm25s
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raqo.errors import DataError, RunFolderError
from raqo.records import Document, Query
from raqo.retrievers.bm25 import build as bm25_build
from raqo.retrievers.bm25.build import file_origin
from raqo.retrievers.bm25.mapped_ids import MappedIds, position_of
from raqo.retrievers.bm25.postings import Postings
from raqo.retrievers.bm25.retriever import Bm25Retriever
from raqo.retrievers.settings import RetrieverSettings
from raqo.retrievers.weighted_query import WeightedQuery
from raqo.testing import check_retriever, toy_dataset

BM25 = RetrieverSettings(kind="bm25")
WORDS = [f"w{number}" for number in range(12)]

corpora = st.lists(st.lists(st.sampled_from(WORDS), max_size=9), min_size=1, max_size=25).filter(any)


def _documents(corpus: list[list[str]]) -> list[Document]:
    return [Document(f"d{row:03}", text=" ".join(text)) for row, text in enumerate(corpus)]


def _oracle(corpus: list[list[str]]) -> bm25s.BM25:
    vocabulary: dict[str, int] = {}
    ids = [[vocabulary.setdefault(word, len(vocabulary)) for word in text] for text in corpus]
    made = bm25s.BM25(method="lucene", idf_method="lucene", k1=0.9, b=0.4)
    made.index((ids, vocabulary), show_progress=False)
    return made


@settings(max_examples=30, deadline=None)
@given(corpora, st.integers(1, 40), st.integers(1, 5), st.randoms(use_true_random=False))
def test_scores_and_rankings_are_those_of_bm25s(
    corpus: list[list[str]], block: int, shards: int, rng: random.Random
) -> None:
    documents = _documents(corpus)
    shuffled = rng.sample(documents, len(documents))
    oracle, queries = _oracle(corpus), [rng.choices([*WORDS, "unknown"], k=rng.randint(1, 5)) for _ in range(5)]
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(bm25_build, "Postings", lambda runs: Postings(runs, block=block))
        streamed = Bm25Retriever.build_stream(replace(BM25, shards=shards), iter(shuffled), index_dir=Path(folder))
        found = streamed.search([Query(" ".join(query), " ".join(query)) for query in queries], k=7)
    for query, ranking in zip(queries, found, strict=True):
        known = [word for word in query if word in oracle.vocab_dict]
        scores = oracle.get_scores(known) if known else np.zeros(len(corpus), dtype=np.float32)
        best = sorted(np.flatnonzero(scores).tolist(), key=lambda row: (-scores[row], row))[:7]
        assert [(hit.doc_id, hit.score) for hit in ranking.hits] == [(f"d{row:03}", float(scores[row])) for row in best]


def _corpus(count: int, seed: int = 0) -> list[list[str]]:
    rng = random.Random(seed)
    return [[f"w{int(rng.paretovariate(0.6)) % 300}" for _ in range(rng.randint(3, 15))] for _ in range(count)]


@pytest.mark.parametrize("shards", [2, 7, 300])
def test_shards_change_no_ranking_score_or_fingerprint(shards: int, tmp_path: Path) -> None:
    documents = [*_documents(_corpus(200)), *(Document(f"e{row}", text="w1 w7 w9") for row in range(30))]
    one = Bm25Retriever.build(BM25, documents, index_dir=tmp_path)
    many = Bm25Retriever.build(replace(BM25, shards=shards), documents, index_dir=tmp_path)
    queries = [Query(str(row), " ".join(text[:4])) for row, text in enumerate(_corpus(40, seed=1))]
    weighted = WeightedQuery("w", terms=(("w1 w3", 0.5), ("w7", 2.0)))
    for k in (1, 10, 230):
        assert many.search([*queries, weighted], k=k) == one.search([*queries, weighted], k=k)
    assert many.fingerprint == one.fingerprint
    ids = [document.doc_id for document in documents]
    for query in (queries[0], weighted):
        np.testing.assert_array_equal(
            many.similarity([query] * 230, ids), one.similarity([query] * 230, ids), strict=True
        )


@pytest.mark.parametrize("change", [{"shards": 3}, {"stemmer": "english"}])
def test_keeps_the_promises_of_a_retriever(change: dict[str, Any], tmp_path: Path) -> None:
    dataset = toy_dataset()
    retriever = Bm25Retriever.build_stream(replace(BM25, **change), iter(dataset.documents), index_dir=tmp_path)
    check_retriever(retriever, [*dataset.queries, Query("empty"), Query("long", "a red boat " * 200)])


def test_ties_are_ordered_by_id_across_shards_and_places_of_the_stream(tmp_path: Path) -> None:
    documents = [Document(f"d{row:02}", text="boat") for row in range(40)][::-1]
    retriever = Bm25Retriever.build_stream(replace(BM25, shards=7), iter(documents), index_dir=tmp_path)
    (ranking,) = retriever.search([Query("q", "boat")], k=12)
    assert [hit.doc_id for hit in ranking.hits] == [f"d{row:02}" for row in range(12)]


def test_bm25s_opens_the_index(tmp_path: Path) -> None:
    corpus = _corpus(50)
    Bm25Retriever.build(BM25, _documents(corpus), index_dir=tmp_path)
    (folder,) = tmp_path.iterdir()
    opened = bm25s.BM25.load(folder, mmap=True)
    for query in corpus[:10]:
        np.testing.assert_array_equal(opened.get_scores(query), _oracle(corpus).get_scores(query))


def test_a_large_batch_and_single_queries_agree(tmp_path: Path) -> None:
    retriever = Bm25Retriever.build(BM25, _documents(_corpus(80)), index_dir=tmp_path)
    queries = [Query(str(row), " ".join(text)) for row, text in enumerate(_corpus(300, seed=2))]
    assert retriever.search(queries, k=5) == [retriever.search([query], k=5)[0] for query in queries]


def test_a_stream_gives_the_index_of_the_list_and_finds_it_again(tmp_path: Path) -> None:
    documents = _documents(_corpus(30))
    built = Bm25Retriever.build(BM25, documents, index_dir=tmp_path)
    (folder,) = tmp_path.iterdir()
    written = (folder / "manifest.json").stat().st_mtime_ns
    streamed = Bm25Retriever.build_stream(BM25, iter(documents[::-1]), index_dir=tmp_path)
    assert streamed.fingerprint == built.fingerprint
    assert [folder] == list(tmp_path.iterdir())
    assert (folder / "manifest.json").stat().st_mtime_ns == written


def _never() -> Iterator[Document]:
    raise AssertionError("the stream is not to be read")
    yield


def test_a_known_origin_is_opened_without_reading_the_stream(tmp_path: Path) -> None:
    source, documents = tmp_path / "corpus.jsonl", _documents(_corpus(30))
    source.write_text("a")
    origin = file_origin(source)
    first = Bm25Retriever.build_stream(BM25, iter(documents), index_dir=tmp_path / "index", origin=origin)
    again = Bm25Retriever.build_stream(BM25, _never(), index_dir=tmp_path / "index", origin=file_origin(source))
    assert again.search([Query("q", "w1 w2")], k=9) == first.search([Query("q", "w1 w2")], k=9)
    source.write_text("ab")
    for changed, other in ((BM25, file_origin(source)), (replace(BM25, k1=1.2), origin)):
        with pytest.raises(AssertionError, match="not to be read"):
            Bm25Retriever.build_stream(changed, _never(), index_dir=tmp_path / "index", origin=other)
    (folder,) = (path for path in (tmp_path / "index").iterdir() if path.is_dir())
    (folder / "params.index.json").write_text("{")
    rebuilt = Bm25Retriever.build_stream(BM25, iter(documents), index_dir=tmp_path / "index", origin=origin)
    assert rebuilt.fingerprint == first.fingerprint
    with pytest.raises(DataError, match="cannot be read"):
        file_origin(tmp_path / "none")


@pytest.mark.parametrize(
    ("documents", "said"),
    [
        ([], "expected documents, got none"),
        ([Document("a", text="the"), Document("b", text="")], "not one word in 2 documents"),
        ([Document("a", text="x"), Document("b", text="y"), Document("a", text="z")], r"'a' is given (twice|2 times)"),
        ([Document("a", text="x"), Document("b", image="b.png")], "'b'.*searches texts, got a picture"),
        ([Document("a")], "'a'.*(searches texts, got nothing|has neither text)"),
    ],
)
@pytest.mark.parametrize("engine", ["bm25s", "rank_bm25"])
def test_unusable_streams_leave_nothing_behind(
    documents: list[Document], said: str, engine: str, tmp_path: Path
) -> None:
    made = RetrieverSettings(kind="bm25", engine=engine)  # type: ignore[arg-type]
    with pytest.raises(DataError, match=said):
        Bm25Retriever.build_stream(made, iter(documents), index_dir=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_passage_of_5_megabytes(tmp_path: Path) -> None:
    long = Document("long", text="boat sea " * 550_000 + "lighthouse")
    stream = iter([long, Document("short", text="boat lighthouse")])
    retriever = Bm25Retriever.build_stream(BM25, stream, index_dir=tmp_path)
    boat, sea = retriever.search([Query("q", "lighthouse"), Query("q", "sea")], k=2)
    assert [hit.doc_id for hit in boat.hits] == ["short", "long"]
    assert [hit.doc_id for hit in sea.hits] == ["long"]
    assert retriever.search([Query("q", long.text or "")], k=1)[0].hits[0].doc_id == "long"


def test_a_disk_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunFolderError, match="the index cannot be written"):
        Bm25Retriever.build_stream(BM25, iter([Document("a", text="boat")]), index_dir=tmp_path / "file")
    with pytest.raises(RunFolderError, match="the index cannot be written"):
        Postings(tmp_path / "deleted meanwhile", block=1).add(["boat"])


@given(st.sets(st.text(st.characters(), max_size=6), min_size=1, max_size=20))
def test_mapped_ids_are_the_ids(ids: set[str]) -> None:
    ordered = sorted(ids)
    with TemporaryDirectory() as folder:
        MappedIds.save(Path(folder), ordered)
        mapped = MappedIds(Path(folder))
        assert list(mapped) == ordered
        assert mapped[1:3] == ordered[1:3]
        assert [position_of(doc_id, mapped) for doc_id in ordered] == list(range(len(ordered)))
        assert position_of("nowhere to be found", mapped) is None
        with pytest.raises(IndexError):
            mapped[len(ordered)]


def test_arrays_are_sorted_within_each_word_and_mapped(tmp_path: Path) -> None:
    Bm25Retriever.build_stream(BM25, iter(_documents(_corpus(60))[::-1]), index_dir=tmp_path)
    (folder,) = tmp_path.iterdir()
    starts, places = np.load(folder / "indptr.csc.index.npy"), np.load(folder / "indices.csc.index.npy")
    assert len(starts) == len(json.loads((folder / "vocab.index.json").read_text())) + 1
    assert all((np.diff(places[first:end]) > 0).all() for first, end in pairwise(starts))
