from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from word_encoder import WordEncoder

from raqo.errors import ConfigError, DataError, FingerprintError
from raqo.records import Document, Query
from raqo.retrievers.build import Encoders
from raqo.retrievers.dense import retriever as dense
from raqo.retrievers.dense.retriever import DenseRetriever
from raqo.retrievers.dense.sentence_encoder import SentenceEncoder
from raqo.retrievers.settings import RetrieverSettings
from raqo.retrievers.vectors.dense_index import EMBEDDINGS

DENSE = RetrieverSettings(kind="dense")
TEXTS = ["red boat", "blue boat", "dog by the sea", "cat", "fir tree", "old house", "boat"]
DOCUMENTS = [Document(f"d{row}", text=text) for row, text in enumerate(TEXTS)]


def _build(
    index_dir: Path, settings: RetrieverSettings = DENSE, documents: list[Document] = DOCUMENTS
) -> tuple[DenseRetriever, WordEncoder]:
    encoder = WordEncoder()
    return DenseRetriever.build(settings, encoder, documents, index_dir=index_dir), encoder


@pytest.fixture(scope="module")
def default_encoder() -> SentenceEncoder:
    return Encoders().sentence(DENSE)


def test_the_default_model_finds_what_is_meant(default_encoder: SentenceEncoder, tmp_path: Path) -> None:
    texts = ["a dog sleeping on a sofa", "a ship on the ocean", "a plate of noodles"]
    documents = [Document(str(row), text=text) for row, text in enumerate(texts)]
    retriever = DenseRetriever.build(DENSE, default_encoder, documents, index_dir=tmp_path)
    queries = [Query("0", "puppy taking a nap"), Query("1", "boat at sea"), Query("2", "a pasta dish")]
    assert [ranking.hits[0].doc_id for ranking in retriever.search(queries, k=1)] == ["0", "1", "2"]
    assert default_encoder.fingerprint.startswith("all-MiniLM-L6-v2:")
    assert retriever.fits(["word " * 254, "word " * 255, ""]) == [True, False, True]
    lone, asked = retriever.search([Query("lone", "a \ud800 boat"), Query("asked", "a ? boat")], k=3)
    assert [hit.doc_id for hit in lone.hits] == [hit.doc_id for hit in asked.hits]
    # equal rows of one batch may differ in their last bits
    assert [hit.score for hit in lone.hits] == pytest.approx([hit.score for hit in asked.hits], abs=1e-5)


def test_scores_are_cosines(tmp_path: Path) -> None:
    retriever, encoder = _build(tmp_path)
    expected = encoder.encode_texts(TEXTS) @ encoder.encode_texts(["blue boat sea"])[0]
    (ranking,) = retriever.search([Query("q", "blue boat sea")], k=99)
    assert {hit.doc_id: hit.score for hit in ranking.hits} == pytest.approx(
        {f"d{row}": float(score) for row, score in enumerate(expected)}, abs=1e-6
    )
    assert retriever.similarity([Query("q", "blue boat sea")], ["d3"])[0] == pytest.approx(expected[3], abs=1e-6)


def test_vectors_are_mapped_and_reused_by_every_index(tmp_path: Path) -> None:
    first, encoder = _build(tmp_path)
    assert sorted(encoder.encoded) == sorted(TEXTS)
    assert isinstance(first._index.embeddings, np.memmap)
    prints = {first.fingerprint}
    for index in ("hnsw", "lsh", "lsh-faiss", "ivf"):
        near, encoder = _build(tmp_path, RetrieverSettings(kind="dense", index=index), DOCUMENTS[::-1])
        assert encoder.encoded == []
        prints.add(near.fingerprint)
    assert len(prints) == 5
    assert len(list(tmp_path.glob(f"*/{EMBEDDINGS}"))) == 1


def test_kind_lsh_is_dense_with_that_index(tmp_path: Path) -> None:
    by_kind, _ = _build(tmp_path, RetrieverSettings(kind="lsh"))
    by_index, _ = _build(tmp_path, RetrieverSettings(kind="dense", index="lsh"))
    assert by_kind.fingerprint == by_index.fingerprint
    with pytest.raises(ConfigError, match="expected lsh, as kind is lsh, got hnsw"):
        RetrieverSettings(kind="lsh", index="hnsw")


def test_lsh_may_find_fewer_than_asked_and_scans_where_told_to(tmp_path: Path) -> None:
    lsh = {"tables": 1, "hyperplanes": 30}
    short, _ = _build(tmp_path, _lsh(**lsh))
    (ranking,) = short.search([Query("q", "red boat")], k=5)
    assert ranking.hits[0].doc_id == "d0"
    assert len(ranking.hits) < 5
    scanning, _ = _build(tmp_path, _lsh(**lsh, scan_when_short=True))
    exact, _ = _build(tmp_path)
    assert scanning.search([Query("q", "red boat")], k=5) == exact.search([Query("q", "red boat")], k=5)


def _lsh(**values: int) -> RetrieverSettings:
    from raqo.retrievers.index_settings import LshSettings

    return RetrieverSettings(kind="lsh", lsh=LshSettings(**values))


def test_copies_are_embedded_once_and_tie(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dense, "EMBEDDED_AT_ONCE", 2)
    copies = [Document(f"c{row}", text=TEXTS[row % 3]) for row in (5, 0, 3, 4)]
    retriever, encoder = _build(tmp_path, documents=[*copies, *DOCUMENTS])
    assert sorted(encoder.encoded) == sorted(TEXTS)
    (ranking,) = retriever.search([Query("q", "red boat")], k=3)
    assert [hit.doc_id for hit in ranking.hits] == ["c0", "c3", "d0"]
    assert len({hit.score for hit in ranking.hits}) == 1


def test_prefixes_are_put_before_texts_and_bound_to_the_fingerprint(tmp_path: Path) -> None:
    plain, _ = _build(tmp_path)
    asking, encoder = _build(tmp_path, RetrieverSettings(kind="dense", query_prefix="query: "))
    assert encoder.encoded == []  # the documents are the same
    asking.search([Query("q", "cat")], k=1)
    assert encoder.encoded == ["query: cat"]
    told, encoder = _build(tmp_path, RetrieverSettings(kind="dense", document_prefix="passage: "))
    assert sorted(encoder.encoded) == sorted(f"passage: {text}" for text in TEXTS)
    assert len({plain.fingerprint, asking.fingerprint, told.fingerprint}) == 3
    assert plain.fits(["a " * 20, "a " * 21]) == [True, False]
    assert asking.fits(["a " * 19, "a " * 20]) == [True, False]


def test_an_encoder_without_a_limit_fits_everything(tmp_path: Path) -> None:
    encoder = WordEncoder(limit=None)
    retriever = DenseRetriever.build(DENSE, encoder, DOCUMENTS, index_dir=tmp_path)
    assert retriever.fits(["a " * 10_000, ""]) == [True, True]


def test_opening_with_something_else_names_the_part_that_differs(tmp_path: Path) -> None:
    _build(tmp_path)
    (folder,) = tmp_path.iterdir()
    assert DenseRetriever.open(DENSE, WordEncoder(), folder, DOCUMENTS).size == len(TEXTS)
    with pytest.raises(FingerprintError, match="its model is dense words:16, expected dense words:8"):
        DenseRetriever.open(DENSE, WordEncoder(8), folder)
    with pytest.raises(FingerprintError, match="its gallery is"):
        DenseRetriever.open(DENSE, WordEncoder(), folder, DOCUMENTS[1:])


def test_pictures_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"'p'.*dense searches texts, got a picture"):
        _build(tmp_path, documents=[*DOCUMENTS, Document("p", image="p.png")])
    retriever, _ = _build(tmp_path)
    with pytest.raises(DataError, match=r"'q'.*got a picture"):
        retriever.search([Query("q", image="p.png")], k=1)
    assert retriever.search([Query("q", "cat", image="p.png")], k=1)[0].hits[0].doc_id == "d3"


def test_no_queries_no_depth_and_unknown_documents(tmp_path: Path) -> None:
    retriever, _ = _build(tmp_path)
    assert retriever.search([], k=5) == []
    assert retriever.search([Query("q", "x")], k=0)[0].hits == ()
    assert retriever.similarity([], []).shape == (0,)
    with pytest.raises(ValueError, match="1 queries for 2 documents"):
        retriever.similarity([Query("q", "x")], ["d0", "d0"])
    with pytest.raises(DataError, match="'zz'"):
        retriever.similarity([Query("q", "x")], ["zz"])


@pytest.mark.parametrize("model", ["/no/such/folder", "open_clip:ViT-B-32/openai"])
def test_a_model_that_is_none(model: str, tmp_path: Path) -> None:
    settings = RetrieverSettings(kind="dense", model=model)
    with pytest.raises(ConfigError, match="cannot be loaded"):
        DenseRetriever.build(settings, Encoders().sentence(settings), DOCUMENTS, index_dir=tmp_path)
