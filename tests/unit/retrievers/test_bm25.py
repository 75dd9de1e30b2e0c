from __future__ import annotations

import math
import random
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import bm25s
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rank_bm25 import BM25Okapi

from raqo.errors import ConfigError, DataError, FingerprintError
from raqo.records import Document, Query
from raqo.retrievers.bm25.engines import Bm25s, RankBm25
from raqo.retrievers.bm25.retriever import Bm25Retriever
from raqo.retrievers.settings import RetrieverSettings
from raqo.retrievers.weighted_query import WeightedQuery
from raqo.retrievers.words import words
from raqo.testing import toy_dataset

BM25S = RetrieverSettings(kind="bm25")
OKAPI = RetrieverSettings(kind="bm25", engine="rank_bm25", k1=1.5, b=0.75)


def _corpus(count: int, seed: int = 0) -> list[list[str]]:
    rng = random.Random(seed)
    return [[f"w{int(rng.paretovariate(0.6)) % 400}" for _ in range(rng.randint(3, 15))] for _ in range(count)]


def _documents(corpus: list[list[str]]) -> list[Document]:
    return [Document(f"d{row:03}", text=" ".join(text)) for row, text in enumerate(corpus)]


def test_lucene_scores_by_hand(tmp_path: Path) -> None:
    """N=3, df=2, lengths 2, 2, 5 (mean 3): idf = ln(1 + 1.5/2.5), tf part = 1 / (1 + 0.9 (0.6 + 0.4 * 2/3))."""
    texts = ["red boat", "blue boat", "dog cat fox hen owl"]
    documents = [Document(str(row), text=text) for row, text in enumerate(texts)]
    retriever = Bm25Retriever.build(BM25S, documents, index_dir=tmp_path)
    expected = math.log(1 + 1.5 / 2.5) / (1 + 0.9 * (0.6 + 0.4 * 2 / 3))
    (ranking,) = retriever.search([Query("q", "Boat!")], k=10)
    assert [hit.doc_id for hit in ranking.hits] == ["0", "1"]
    assert [hit.score for hit in ranking.hits] == pytest.approx([expected, expected], rel=1e-6)
    assert retriever.similarity([Query("q", "boat")] * 2, ["1", "2"]) == pytest.approx([expected, 0])


def test_okapi_scores_by_hand(tmp_path: Path) -> None:
    """N=4, df=1: idf = ln(3.5/1.5); k1 + 1 = 2.5; lengths all 1, so the tf part is 2.5 / 2.5."""
    documents = [Document(word, text=word) for word in ("boat", "dog", "fox", "hen")]
    retriever = Bm25Retriever.build(OKAPI, documents, index_dir=tmp_path)
    (ranking,) = retriever.search([Query("q", "boat")], k=4)
    assert [(hit.doc_id, hit.score) for hit in ranking.hits] == [("boat", pytest.approx(math.log(3.5 / 1.5)))]


def test_rank_bm25_is_k1_plus_1_times_bm25s_robertson_where_no_word_is_in_half_of_the_documents() -> None:
    corpus = [
        [f"u{row}", *(word for word in text if word not in ("w1", "w2"))] for row, text in enumerate(_corpus(300))
    ]
    counts = {word: sum(word in text for text in corpus) for text in corpus for word in text}
    assert max(counts.values()) <= len(corpus) / 2
    robertson = bm25s.BM25(method="robertson", k1=1.5, b=0.75)
    robertson.index(corpus, show_progress=False)
    okapi = BM25Okapi(corpus, k1=1.5, b=0.75)
    ours = RankBm25(corpus, k1=1.5, b=0.75)
    for query in corpus[::17]:
        np.testing.assert_allclose(okapi.get_scores(query), 2.5 * robertson.get_scores(query), rtol=2e-5, atol=1e-5)
        all_scores = ours.scores([(tuple(query), (1.0,) * len(query))] * 300, range(300))
        np.testing.assert_allclose(all_scores, okapi.get_scores(query), rtol=1e-6)


def test_the_relation_breaks_for_words_in_more_than_half_of_the_documents() -> None:
    corpus = [["the", f"u{row}"] for row in range(10)]
    robertson = bm25s.BM25(method="robertson", k1=1.5, b=0.75)
    robertson.index(corpus, show_progress=False)
    assert robertson.get_scores(["the"]).max() == 0
    assert BM25Okapi(corpus, k1=1.5, b=0.75).get_scores(["the"]).min() > 0.1


@pytest.mark.parametrize("settings", [BM25S, OKAPI])
@pytest.mark.parametrize("k", [1, 3, 10, 99, 150])
def test_best_equals_a_full_sort(settings: RetrieverSettings, k: int, tmp_path: Path) -> None:
    corpus = _corpus(99, seed=k)
    retriever = Bm25Retriever.build(settings, _documents(corpus), index_dir=tmp_path)
    queries = [Query(str(row), " ".join(text[:4])) for row, text in enumerate(corpus[:40])]
    ids = [f"d{row:03}" for row in range(99)]
    for query, ranking in zip(queries, retriever.search(queries, k=k), strict=True):
        scores = dict(zip(ids, retriever.similarity([query] * 99, ids).tolist(), strict=True))
        expected = sorted((doc for doc in ids if scores[doc] > 0), key=lambda doc: (-scores[doc], doc))[:k]
        found = [hit.doc_id for hit in ranking.hits]
        assert [scores[doc] for doc in found] == pytest.approx([scores[doc] for doc in expected])
        if settings is BM25S:
            assert found == expected


@pytest.mark.parametrize("settings", [BM25S, OKAPI])
@pytest.mark.parametrize("text", ["", "   ", "?!.", "the of and", "zzz", "\ud800", '+(a:b^2) "x" AND\\'])
def test_queries_without_a_known_word_have_no_hits(settings: RetrieverSettings, text: str, tmp_path: Path) -> None:
    retriever = Bm25Retriever.build(settings, _documents(_corpus(20)), index_dir=tmp_path)
    first, second = retriever.search([Query("odd", text), Query("normal", "w1 w2")], k=5)
    assert first.hits == ()
    assert second.hits
    assert retriever.search([Query("odd", text)], k=5)[0].hits == ()
    assert retriever.similarity([Query("odd", text)], ["d000"]).tolist() == [0]


def test_documents_without_words_are_never_hits(tmp_path: Path) -> None:
    documents = [
        Document("a", text=""),
        Document("b", text="the"),
        Document("c", text="boat"),
        Document("d", text="x y"),
    ]
    for settings in (BM25S, OKAPI):
        retriever = Bm25Retriever.build(settings, documents, index_dir=tmp_path)
        assert [hit.doc_id for hit in retriever.search([Query("q", "boat the")], k=4)[0].hits] == ["c"]


@pytest.mark.parametrize(
    ("documents", "said"),
    [
        ([Document("a", text="the"), Document("b", text="")], "not one word in 2 documents"),
        ([Document("a", image="a.png")], "searches texts, got a picture"),
        ([], "got none"),
    ],
)
def test_unusable_corpora(documents: list[Document], said: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=said):
        Bm25Retriever.build(BM25S, documents, index_dir=tmp_path)


def test_a_picture_is_no_query(tmp_path: Path) -> None:
    retriever = Bm25Retriever.build(BM25S, _documents(_corpus(5)), index_dir=tmp_path)
    with pytest.raises(DataError, match=r"'q'.*got a picture"):
        retriever.search([Query("q", image="a.png")], k=1)
    with pytest.raises(DataError, match="'zz'"):
        retriever.similarity([Query("q", "w1")], ["zz"])


def test_the_index_is_reused_mapped_and_bound_to_its_parameters(tmp_path: Path) -> None:
    documents = _documents(_corpus(30))
    first = Bm25Retriever.build(BM25S, documents, index_dir=tmp_path)
    (folder,) = tmp_path.iterdir()
    written = (folder / "manifest.json").stat().st_mtime_ns
    again = Bm25Retriever.build(BM25S, documents[::-1], index_dir=tmp_path)
    assert (folder / "manifest.json").stat().st_mtime_ns == written
    assert again.fingerprint == first.fingerprint
    assert isinstance(Bm25s.open(folder)._shards[0].parts.base, np.memmap)
    other = RetrieverSettings(kind="bm25", k1=1.2)
    with pytest.raises(FingerprintError, match=r"k1=0\.9.*expected .*k1=1\.2"):
        Bm25Retriever.open(other, folder)
    with pytest.raises(FingerprintError, match="its gallery is"):
        Bm25Retriever.open(BM25S, folder, documents[1:])
    (folder / "vocab.index.json").write_text("{")
    with pytest.raises(DataError, match=r"vocab\.index\.json"):
        Bm25Retriever.open(BM25S, folder)


@pytest.mark.parametrize("name", ["data.csc.index.npy", "indices.csc.index.npy", "ids.letters.npy", "shards.json"])
def test_a_truncated_or_missing_file_is_named_and_the_next_build_replaces_it(name: str, tmp_path: Path) -> None:
    documents = _documents(_corpus(30))
    expected = Bm25Retriever.build(BM25S, documents, index_dir=tmp_path).search([Query("q", "w1 w2")], k=9)
    (folder,) = tmp_path.iterdir()
    (folder / name).write_bytes((folder / name).read_bytes()[:-3])
    with pytest.raises(DataError, match=rf"{re.escape(name)} is truncated or was changed; delete the folder"):
        Bm25Retriever.open(BM25S, folder)
    (folder / name).unlink()
    with pytest.raises(DataError, match=f"there is no {re.escape(name)}"):
        Bm25Retriever.open(BM25S, folder)
    assert Bm25Retriever.build(BM25S, documents, index_dir=tmp_path).search([Query("q", "w1 w2")], k=9) == expected


def test_every_letter_of_the_query_syntax_of_other_engines_is_a_blank(tmp_path: Path) -> None:
    retriever = Bm25Retriever.build(BM25S, _documents(_corpus(30)), index_dir=tmp_path)
    plain, odd = retriever.search([Query("q", "w1 w2 w3"), Query("q", '+w1:"w2"~2^(w3)* && {!x} [..] \\ -/')], k=9)
    assert odd == plain


@pytest.mark.parametrize(
    "change", [{"k1": 1.0}, {"b": 0.5}, {"stop_words": False}, {"stemmer": "english"}, {"engine": "rank_bm25"}]
)
def test_every_parameter_is_in_the_fingerprint(change: dict[str, object], tmp_path: Path) -> None:
    documents = _documents(_corpus(10))
    settings = RetrieverSettings(kind="bm25", **change)  # type: ignore[arg-type]
    changed = Bm25Retriever.build(settings, documents, index_dir=tmp_path).fingerprint
    assert changed != Bm25Retriever.build(BM25S, documents, index_dir=tmp_path).fingerprint


def test_the_fingerprint_stays_what_it_was(tmp_path: Path) -> None:
    """Data were mined under it."""
    assert Bm25Retriever.build(BM25S, toy_dataset().documents, index_dir=tmp_path).fingerprint == "f95d2be7f472413a"


def test_words() -> None:
    assert words("The RED-boat's 2nd Ärger, naïve ＦＵＬＬ snake_case") == [
        *("red", "boat", "s", "2nd", "ärger", "naïve", "full", "snake", "case")
    ]
    assert words("the end", stop_words=False) == ["the", "end"]
    assert words("赤い ボート") == ["赤い", "ボート"]


@given(st.text(st.characters(max_codepoint=127)))
def test_the_short_way_for_ascii_splits_as_the_long_one(text: str) -> None:
    assert words(text) == [word for word in words(text + " é") if word != "é"]


def test_stems(tmp_path: Path) -> None:
    """Snowball's published examples of its English stemmer."""
    assert words("The consigned consignments; generously knightly", stemmer="english") == [
        *("consign", "consign", "generous", "knight")
    ]
    documents = [Document("a", text="Two boats are sailing."), Document("b", text="One dog ran.")]
    stemmed = Bm25Retriever.build(replace(BM25S, stemmer="english"), documents, index_dir=tmp_path)
    assert [hit.doc_id for hit in stemmed.search([Query("q", "boat sail")], k=2)[0].hits] == ["a"]
    assert stemmed.search([WeightedQuery("q", terms=(("boated", 2.0),))], k=2)[0].hits
    assert (
        Bm25Retriever.build(BM25S, documents, index_dir=tmp_path).search([Query("q", "boat sail")], k=2)[0].hits == ()
    )


@pytest.mark.parametrize(
    "change", [{"batch_size": 0}, {"workers": 0}, {"shards": 0}, {"vector_cache": -1}, {"k1": -1.0}, {"b": 1.5}]
)
def test_settings_out_of_range(change: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=rf"retriever\.{next(iter(change))}: expected"):
        RetrieverSettings(**change)  # type: ignore[arg-type]


def test_settings_and_test_doubles_load_nothing_heavy() -> None:
    heavy = ("torch", "open_clip", "faiss", "numba", "bm25s", "transformers")
    code = "import sys, raqo.retrievers.settings, raqo.retrievers.build, raqo.testing;"
    code += f"print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
