"""Galleries in Milvus' embedded engine."""

from __future__ import annotations

import fcntl
import random
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from milvus_galleries import passages, same_as_bm25
from pymilvus import MilvusClient
from word_encoder import WordEncoder

from raqo import config_loader
from raqo.errors import ConfigError, DataError, MissingExtraError, RunFolderError
from raqo.records import Document, Query
from raqo.retrievers.build import Encoders, build_retriever, model_fingerprint
from raqo.retrievers.index_settings import HnswSettings, IvfSettings
from raqo.retrievers.milvus.bm25 import MilvusBm25Retriever
from raqo.retrievers.milvus.connection import connect, disconnect
from raqo.retrievers.milvus.rows import Row, insertions, key_of, read_id, stored_id
from raqo.retrievers.milvus.settings import MilvusSettings
from raqo.retrievers.milvus.vector_sources import SentenceVectors
from raqo.retrievers.milvus.vectors import MilvusVectorRetriever
from raqo.retrievers.settings import SENTENCE_MODEL, RetrieverSettings

TEXTS = [Document(str(row), text=text) for row, text in enumerate(("a red boat", "a blue dog", "a green tree"))]


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    address = str(tmp_path / "some" / "gallery.db")
    yield f"milvus:{address}"
    from milvus_lite.server_manager import server_manager_instance

    server_manager_instance.release_server(address)


def words(url: str, **other: object) -> RetrieverSettings:
    return RetrieverSettings(kind="milvus", milvus=MilvusSettings(url=url), **other)  # type: ignore[arg-type]


def vectors(url: str, documents: list[Document], encoder: WordEncoder, **other: object) -> MilvusVectorRetriever:
    milvus = MilvusSettings(url=url, method="dense", rows_at_once=100)
    settings = RetrieverSettings(kind="milvus", milvus=milvus, **other)  # type: ignore[arg-type]
    source = SentenceVectors(encoder, query_prefix=settings.query_prefix, document_prefix=settings.document_prefix)
    return MilvusVectorRetriever.build(settings, source, documents)


def ids(retriever: MilvusBm25Retriever | MilvusVectorRetriever, text: str, k: int = 10) -> list[str]:
    return [hit.doc_id for hit in retriever.search([Query("q", text)], k=k)[0].hits]


def collections(url: str) -> list[str]:
    return sorted(MilvusClient(url.removeprefix("milvus:")).list_collections())


@pytest.mark.parametrize(
    "parameters",
    [
        {"k1": 1.5, "b": 0.75, "stop_words": False},
        pytest.param({}, marks=pytest.mark.slow),
        pytest.param({"stemmer": "english"}, marks=pytest.mark.slow),
    ],
)
def test_two_thousand_texts_rank_as_in_raqos_own_bm25(parameters: dict[str, object], url: str, tmp_path: Path) -> None:
    same_as_bm25(words(url, **parameters), tmp_path)


def test_two_thousand_vectors_rank_as_the_dot_products_say(url: str) -> None:
    documents, queries = (
        passages(2000),
        [Query(str(row), one.text or "") for row, one in enumerate(passages(30, seed=1))],
    )
    encoder = WordEncoder(limit=None)
    retriever = vectors(url, documents, encoder)
    order = sorted(documents, key=lambda document: document.doc_id)
    matrix = encoder.encode_texts([document.text or "" for document in order])
    for query, ranking in zip(queries, retriever.search(queries, k=50), strict=True):
        scores = matrix @ encoder.encode_texts([query.text])[0]
        found = {hit.doc_id: hit.score for hit in ranking.hits}
        expected = {order[row].doc_id: scores[row] for row in np.argsort(-scores)[:50]}
        assert len(found.keys() & expected.keys()) >= 49
        assert all(abs(found[name] - expected[name]) < 1e-5 for name in found.keys() & expected.keys())
    with pytest.raises(DataError, match="document 'nobody': not in the gallery raqo_dense_"):
        retriever.similarity(queries[:1], ["nobody"])
    with pytest.raises(ValueError, match="2 queries for 1 documents"):
        retriever.similarity(queries[:2], ["p00000"])


def test_more_copies_than_hits_are_ordered_by_id(url: str) -> None:
    documents = [*TEXTS, *(Document(f"copy{row:03}", text="a red boat") for row in range(60))]
    random.Random(0).shuffle(documents)
    for retriever in (build_retriever(words(url), documents, index_dir=Path()), vectors(url, documents, WordEncoder())):
        expected = ["0", *(f"copy{row:03}" for row in range(9))]
        assert ids(retriever, "a red boat") == expected  # type: ignore[arg-type]


@pytest.mark.parametrize("index", ["ivf", pytest.param("hnsw", marks=pytest.mark.slow)])
def test_the_breadth_of_a_search_is_no_reason_to_build_again(index: str, url: str) -> None:
    documents, encoder = passages(300), WordEncoder(limit=None)
    first = vectors(url, documents, encoder, index=index, ivf=IvfSettings(lists=20, probes=1))
    encoder.encoded.clear()
    other = {"ivf": IvfSettings(lists=20, probes=20), "hnsw": HnswSettings(search_breadth=300)}
    second = vectors(url, documents, encoder, index=index, **other)
    assert encoder.encoded == ["a"]
    assert len(collections(url)) == 1
    exact = vectors(url, documents, encoder)
    texts = [document.text or "" for document in documents[:40]]
    assert [ids(second, text) for text in texts] == [ids(exact, text) for text in texts]
    if index == "ivf":
        assert any(ids(first, text) != ids(exact, text) for text in texts)
    assert len({first.fingerprint, second.fingerprint, exact.fingerprint}) == 3


def test_whole_galleries_are_used_again_and_never_mixed(url: str) -> None:
    encoder = WordEncoder()
    first = vectors(url, TEXTS, encoder)
    assert (first.size, ids(first, "a blue dog", 1)) == (3, ["1"])
    encoder.encoded.clear()
    again = vectors(url, TEXTS[::-1], encoder)
    assert encoder.encoded == ["a"]
    assert again.fingerprint == first.fingerprint
    other = [
        vectors(url, [*TEXTS[:2], Document("2", text="another")], encoder),
        vectors(url, TEXTS, encoder, document_prefix="passage: "),
        build_retriever(words(url), TEXTS, index_dir=Path()),
        build_retriever(words(url, k1=1.2), TEXTS, index_dir=Path()),
    ]
    assert len(collections(url)) == 5
    assert other[0].search([Query("q", "a green tree")], k=3) != again.search([Query("q", "a green tree")], k=3)
    asked = vectors(url, TEXTS, encoder, query_prefix="query: ")
    assert len(collections(url)) == 5
    assert len({again.fingerprint, asked.fingerprint, *(one.fingerprint for one in other)}) == 6


KILLED = """
import os, signal, sys
from raqo.records import Document
from raqo.retrievers.milvus.settings import MilvusSettings
from raqo.retrievers.milvus.vectors import MilvusVectorRetriever
from raqo.retrievers.settings import RetrieverSettings
from raqo.retrievers.milvus.vector_sources import SentenceVectors
sys.path[:0] = sys.argv[2:]
from milvus_galleries import passages
from word_encoder import WordEncoder

class Killed(WordEncoder):
    def encode_texts(self, texts):
        if len(self.encoded) > 256:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().encode_texts(texts)

settings = RetrieverSettings(
    kind="milvus", milvus=MilvusSettings(url=sys.argv[1], method="dense", rows_at_once=100)
)
MilvusVectorRetriever.build(settings, SentenceVectors(Killed()), passages(600))
"""


def test_a_build_that_was_killed_is_found_and_done_again(url: str, caplog: pytest.LogCaptureFixture) -> None:
    command = [sys.executable, "-c", KILLED, url, str(Path(__file__).parent)]
    assert subprocess.run(command, timeout=300, check=False).returncode == -9
    (left,) = collections(url)
    assert re.fullmatch(r"raqo_dense_[0-9a-f]{16}_new_[0-9a-f]{8}", left)
    retriever = vectors(url, passages(600), WordEncoder())
    assert f"dropping {left}, which was never finished" in caplog.text
    assert collections(url) == [left.partition("_new_")[0]]
    assert len(ids(retriever, "anything", 1000)) == 600


def test_a_gallery_with_rows_missing_is_built_anew(url: str, caplog: pytest.LogCaptureFixture) -> None:
    build_retriever(words(url), TEXTS, index_dir=Path())
    (name,) = collections(url)
    client = MilvusClient(url.removeprefix("milvus:"))
    client.delete(name, ids=[key_of("1")])
    retriever = build_retriever(words(url), TEXTS, index_dir=Path())
    assert f"{name} has 2 rows instead of 3" in caplog.text
    assert ids(retriever, "blue dog") == ["1"]  # type: ignore[arg-type]


ODD_IDS = ['"', "'] or key > 0 or doc_id in ['", "a\nb\0c", "\ud800", "søren 🦌", " ", "", "\\", "x" * 9000, "é" * 900]
ODD_TEXTS = [
    'boat" or 1 == 1',
    "key in [1, 2]",
    "{boat} %s \\",
    "boat \ud800",
    "TEXT_MATCH(content, 'boat')",
    "boat; drop",
]


def test_ids_and_queries_of_any_letters(url: str) -> None:
    documents = [Document(name, text="a boat") for name in ODD_IDS]
    documents += [Document(f"text{row}", text=text) for row, text in enumerate(ODD_TEXTS)]
    with_boat = {*ODD_IDS, *(f"text{row}" for row, text in enumerate(ODD_TEXTS) if "boat" in text)}
    for retriever in (build_retriever(words(url), documents, index_dir=Path()), vectors(url, documents, WordEncoder())):
        rankings = retriever.search([Query(str(row), text) for row, text in enumerate(ODD_TEXTS)], k=100)
        assert {hit.doc_id for hit in rankings[0].hits} >= with_boat
        for text, ranking in zip(ODD_TEXTS, rankings, strict=True):
            scores = retriever.similarity([Query("q", text)] * len(ranking.hits), [hit.doc_id for hit in ranking.hits])
            np.testing.assert_allclose(scores, [hit.score for hit in ranking.hits], rtol=1e-5, atol=1e-6)


def test_words_of_no_document_and_pictures(url: str, tmp_path: Path) -> None:
    retriever = build_retriever(words(url), TEXTS, index_dir=tmp_path)
    rankings = retriever.search([Query("1"), Query("2", "the"), Query("3", "zzz"), Query("4", "dog")], k=5)
    assert [len(ranking.hits) for ranking in rankings] == [0, 0, 0, 1]
    assert rankings[3].hits[0].score > 0
    assert retriever.similarity([Query("1"), Query("2", "zzz"), Query("3", "dog")], ["0", "1", "0"]).tolist() == [
        0,
        0,
        0,
    ]
    assert retriever.fits(["word " * 1000]) == [True]
    for made in (retriever, vectors(url, TEXTS, WordEncoder())):
        with pytest.raises(DataError, match="query 'p': expected a text, got a picture; .* CLIP"):
            made.search([Query("p", image="p.png")], k=1)


def test_documents_that_cannot_be_kept(url: str) -> None:
    for documents, said in (
        (
            [Document("a", text="word " * 14_000)],
            "'a': its words take 69,999 bytes, Milvus keeps 65,535 of a text; split",
        ),
        ([Document("x" * 70_000, text="a boat")], "its id takes 70,002 bytes"),
        ([Document("a", text="the"), Document("b", text="...")], "not one word in 2 documents"),
        ([Document("a", text="boat"), Document("b", image="b.png")], "'b': expected a text, got a picture"),
        ([], "expected documents, got none"),
        ([Document("a", text="x"), Document("a", text="y")], "given 2 times"),
    ):
        with pytest.raises(DataError, match=said):
            build_retriever(words(url), documents, index_dir=Path())
    with pytest.raises(DataError, match="'b': expected a text, got a picture"):
        vectors(url, [Document("a", text="boat"), Document("b", image="b.png")], WordEncoder())
    assert (
        len(vectors(url, [Document("a", text="word " * 14_000)], WordEncoder()).search([Query("q")], k=1)[0].hits) == 1
    )
    assert len(collections(url)) == 1


def test_insertions_hold_one_group_at_a_time() -> None:
    taken = 0

    def rows() -> Iterator[Row]:
        nonlocal taken
        for row in range(1000):
            taken += 1
            yield Row(f"d{row}", "x" * 100)

    groups = insertions(rows(), most_rows=50)
    assert (len(next(groups)), taken) == (50, 51)
    assert [len(group) for group in groups] == [50] * 19
    sizes = [len(group) for group in insertions([Row("d", "é" * 400)] * 10, most_rows=50, most_bytes=2500)]
    assert sizes == [3, 3, 3, 1]
    big = [Row("d", np.zeros(1000, dtype=np.float32))] * 3
    assert [len(group) for group in insertions(big, most_rows=50, most_bytes=10)] == [1, 1, 1]


def test_ids_come_back_as_they_went() -> None:
    for name in ODD_IDS:
        assert read_id(stored_id(name)) == name
        assert stored_id(name).isascii()
    assert len({key_of(name) for name in ODD_IDS}) == len(ODD_IDS)
    # python -c "import hashlib; print(int(hashlib.sha256(b'doc').hexdigest()[:16], 16) // 2)"
    assert key_of("doc") == 0x9CEAA25C10D89F5


def test_a_folder_that_another_process_holds(url: str) -> None:
    settings = MilvusSettings(url=url)
    disconnect(connect(settings), settings)
    with open(Path(settings.address, "LOCK"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(RunFolderError, match=r"gallery\.db: the embedded engine cannot open it .* other process"):
            connect(settings)
    retriever = build_retriever(words(url), TEXTS, index_dir=Path())
    assert isinstance(retriever, MilvusBm25Retriever)
    retriever.close()
    with open(Path(settings.address, "LOCK"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_file_in_the_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "old.db").write_text("SQLite")
    with pytest.raises(RunFolderError, match=r"old\.db: the embedded engine cannot open it"):
        connect(MilvusSettings(url=f"milvus:{tmp_path / 'old.db'}"))


@pytest.mark.parametrize(("module", "package"), [("pymilvus", "pymilvus"), ("milvus_lite", "milvus-lite")])
def test_without_the_extra(module: str, package: str, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=rf"{package} is not installed; pip install 'raqo\[milvus\]'"):
        build_retriever(words(url), TEXTS, index_dir=Path())


def test_settings_load_nothing_of_milvus() -> None:
    heavy = "{'pymilvus', 'milvus_lite', 'grpc'} & set(sys.modules)"
    program = f"import sys, raqo.config, raqo.retrievers.build; sys.exit(bool({heavy}))"
    assert subprocess.run([sys.executable, "-c", program], timeout=300, check=False).returncode == 0


def test_settings_from_a_file() -> None:
    section = {"kind": "milvus", "milvus": {"url": "milvus:runs/a.db", "method": "dense"}}
    settings = config_loader.load(RetrieverSettings, section)
    assert (settings.model, settings.milvus.address) == (SENTENCE_MODEL, "runs/a.db")
    by_words = words("milvus:runs/a.db", k1=1.2)
    assert model_fingerprint(by_words, Encoders()) == model_fingerprint(replace(by_words, kind="bm25"), Encoders())


@pytest.mark.parametrize(
    "url",
    [
        "milvus:runs/index.db",
        "milvus:/data/a@b.db",
        "milvus:http://127.0.0.1:19530",
        "milvus:https://in03.example.com",
        "milvus:http://[::1]:19530/default",
    ],
)
def test_addresses(url: str) -> None:
    assert MilvusSettings(url=url).address == url.removeprefix("milvus:")


@pytest.mark.parametrize(
    "url",
    [
        *(
            "runs/index.db",
            "milvus:runs/index",
            "milvus:.db",
            "milvus:runs/.db",
            "milvus:",
            "milvus:http://",
            "http://h:1",
        ),
        *(
            "milvus:ftp://h:1",
            "milvus:http://h:99999",
            "milvus:http://h:0",
            "milvus:http://h:1/a.db",
            "milvus:http://h?a=b",
        ),
        *(
            "milvus:http://user:secret@h:1",
            "milvus:user:secret@h",
            "https://user:secret@h:1",
            "milvus:tcp://secret@h:1",
        ),
    ],
)
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(ConfigError, match=r"^retriever\.milvus\.url: ") as raised:
        MilvusSettings(url=url)
    assert "secret" not in str(raised.value)


def test_settings_that_do_not_fit() -> None:
    for values, said in (
        ({"method": "dens"}, "method: expected bm25 or dense or clip, got 'dens' .did you mean 'dense'"),
        ({"timeout": 0.0}, "timeout: expected seconds above 0"),
        ({"timeout": float("nan")}, "timeout: expected seconds above 0"),
        ({"rows_at_once": 0}, "rows_at_once: expected 1 to 100,000"),
    ):
        with pytest.raises(ConfigError, match=said):
            MilvusSettings(**values)  # type: ignore[arg-type]
    for other, said in (
        ({"milvus": MilvusSettings()}, "milvus.url: expected milvus:FOLDER.db"),
        ({"index": "lsh"}, "index: expected flat, ivf or hnsw"),
    ):
        with pytest.raises(ConfigError, match=said):
            RetrieverSettings(**{"kind": "milvus", "milvus": MilvusSettings(url="milvus:a.db"), **other})  # type: ignore[arg-type]
