from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from raqo.errors import DataError, FingerprintError, RunFolderError
from raqo.records import Document, Query, Ranking
from raqo.retrievers.clip.encoder import ClipEncoder
from raqo.retrievers.clip.retriever import ClipRetriever
from raqo.retrievers.index_settings import HnswSettings
from raqo.retrievers.vectors.dense_index import EMBEDDINGS
from raqo.testing import write_tiny_clip


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> ClipEncoder:
    return ClipEncoder.load(str(write_tiny_clip(tmp_path_factory.mktemp("clip"))), batch_size=8)


@pytest.fixture
def documents(tmp_path: Path) -> list[Document]:
    rng, made = np.random.default_rng(2), []
    for row in range(12):
        path = tmp_path / f"{row:02}.png"
        Image.fromarray(rng.integers(0, 255, (32, 32, 3), dtype=np.uint8)).save(path)
        made.append(Document(f"d{row:02}", image=str(path)))
    return made


def _folder(index_dir: Path) -> Path:
    (folder,) = index_dir.iterdir()
    return folder


def _assert_alike(found: list[Ranking], expected: list[Ranking]) -> None:
    """The same documents, and scores to what float32 can tell: each search encodes its queries anew."""
    assert [ranking.query_id for ranking in found] == [ranking.query_id for ranking in expected]
    for left, right in zip(found, expected, strict=True):
        assert [hit.doc_id for hit in left.hits] == [hit.doc_id for hit in right.hits]
        assert [hit.score for hit in left.hits] == pytest.approx([hit.score for hit in right.hits], abs=1e-5)


def test_a_picture_finds_itself_and_a_text_its_cosines(
    encoder: ClipEncoder, documents: list[Document], tmp_path: Path
) -> None:
    retriever = ClipRetriever.build(encoder, documents, index_dir=tmp_path / "index")
    for ranking in retriever.search([Query(doc.doc_id, image=doc.image) for doc in documents], k=3):
        assert ranking.hits[0].doc_id == ranking.query_id
        assert ranking.hits[0].score == pytest.approx(1, abs=1e-5)
    expected = encoder.encode_images([doc.image or "" for doc in documents]) @ encoder.encode_texts(["boat"])[0]
    scores = {hit.doc_id: hit.score for hit in retriever.search([Query("q", "boat")], k=99)[0].hits}
    np.testing.assert_allclose([scores[doc.doc_id] for doc in documents], expected, atol=1e-6)


def test_texts_and_pictures_may_be_mixed_on_both_sides(
    encoder: ClipEncoder, documents: list[Document], tmp_path: Path
) -> None:
    mixed = [documents[0], Document("t0", text="a boat"), documents[1], Document("t1", text="a dog")]
    retriever = ClipRetriever.build(encoder, mixed, index_dir=tmp_path / "index")
    queries = [Query("t1", "a dog"), Query("d01", image=documents[1].image), Query("t0", "a boat")]
    assert [ranking.hits[0].doc_id for ranking in retriever.search(queries, k=1)] == ["t1", "d01", "t0"]


@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0])
def test_a_query_with_text_and_picture_scores_the_weighted_sum(
    weight: float, encoder: ClipEncoder, documents: list[Document], tmp_path: Path
) -> None:
    retriever = ClipRetriever.build(encoder, documents, index_dir=tmp_path / "index", image_weight=weight)
    ids = [document.doc_id for document in documents]
    picture = documents[3].image
    queries = {
        "both": Query("both", "a boat", image=picture),
        "text": Query("text", "a boat"),
        "picture": Query("picture", image=picture),
    }
    scores = {name: retriever.similarity([query] * len(ids), ids) for name, query in queries.items()}
    expected = (1 - weight) * scores["text"] + weight * scores["picture"]
    np.testing.assert_allclose(scores["both"], expected, atol=1e-6)
    rankings = retriever.search(list(queries.values()), k=len(ids))
    by_score = sorted(ids, key=lambda doc_id: -expected[ids.index(doc_id)])
    assert [hit.doc_id for hit in rankings[0].hits] == by_score
    plain = ClipRetriever.build(encoder, documents, index_dir=tmp_path / "index")
    alone = [queries["text"], queries["picture"]]
    _assert_alike(plain.search(alone, k=9), retriever.search(alone, k=9))
    assert (plain.fingerprint == retriever.fingerprint) == (weight == 1)


def test_candidates_are_found_among_the_same_vectors(
    encoder: ClipEncoder, documents: list[Document], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exact = ClipRetriever.build(encoder, documents, index_dir=tmp_path / "index")
    queries = [Query(document.doc_id, image=document.image) for document in documents]
    expected = exact.search(queries, k=3)
    monkeypatch.setattr(ClipEncoder, "encode_images", lambda *_: pytest.fail("embedded again"))
    near = ClipRetriever.build(encoder, documents, index_dir=tmp_path / "index", finder=HnswSettings())
    monkeypatch.undo()
    _assert_alike(near.search(queries, k=3), expected)
    assert near.fingerprint != exact.fingerprint


def test_an_unchanged_gallery_is_not_embedded_again(
    encoder: ClipEncoder, documents: list[Document], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = ClipRetriever.build(encoder, documents, index_dir=tmp_path / "index")
    monkeypatch.setattr(encoder, "encode_images", lambda *_: pytest.fail("embedded again"))
    again = ClipRetriever.build(encoder, documents[::-1], index_dir=tmp_path / "index")
    assert again.fingerprint == first.fingerprint


def test_moved_files_keep_the_fingerprint_and_changed_ones_do_not(
    encoder: ClipEncoder, documents: list[Document], tmp_path: Path
) -> None:
    before = ClipRetriever.build(encoder, documents, index_dir=tmp_path / "index").fingerprint
    target = Path(documents[0].image or "").rename(tmp_path / "moved.png")
    documents[0] = Document(documents[0].doc_id, image=str(target))
    assert ClipRetriever.build(encoder, documents, index_dir=tmp_path / "index").fingerprint == before
    Image.new("RGB", (32, 32)).save(target)
    assert ClipRetriever.build(encoder, documents, index_dir=tmp_path / "index").fingerprint != before


def test_copies_of_a_picture_tie_and_are_ordered_by_id(
    encoder: ClipEncoder, documents: list[Document], tmp_path: Path
) -> None:
    copies = [Document(f"c{row:02}", image=documents[5].image) for row in (3, 1, 2)]
    retriever = ClipRetriever.build(encoder, [*documents, *copies], index_dir=tmp_path / "index")
    (ranking,) = retriever.search([Query("q", image=documents[5].image)], k=3)
    assert [hit.doc_id for hit in ranking.hits] == ["c01", "c02", "c03"]
    assert len({hit.score for hit in ranking.hits}) == 1
    assert retriever.search([Query("q", image=documents[5].image)], k=4)[0].rank_of("c01") == 4


def test_unreadable_pictures_fail_or_are_left_out_counted_and_logged_once(
    encoder: ClipEncoder, documents: list[Document], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    torn = Path(documents[4].image or "")
    torn.write_bytes(torn.read_bytes()[:200])
    documents.append(Document("gone", image=str(tmp_path / "gone.png")))
    with pytest.raises(DataError, match=r"04\.png.*on_error: skip"):
        ClipRetriever.build(encoder, documents, index_dir=tmp_path / "index")
    with caplog.at_level(logging.INFO):
        retriever = ClipRetriever.build(encoder, documents, index_dir=tmp_path / "index", on_error="skip")
    assert [doc_id for doc_id, _ in retriever.skipped] == ["d04", "gone"]
    assert [record.args[0] for record in caplog.records if record.args] == ["d04", "gone"]
    assert retriever.size == 11
    again = ClipRetriever.build(encoder, documents, index_dir=tmp_path / "index", on_error="skip")
    assert (again.skipped, again.fingerprint) == (retriever.skipped, retriever.fingerprint)
    with pytest.raises(DataError, match="left out"):
        retriever.similarity([Query("q", "boat")], ["d04"])
    with pytest.raises(DataError, match=r"04\.png"):  # the index made with skip does not satisfy fail
        ClipRetriever.build(encoder, documents, index_dir=tmp_path / "index")


def test_a_gallery_without_one_readable_picture(encoder: ClipEncoder, tmp_path: Path) -> None:
    gone = [Document(f"d{row}", image=str(tmp_path / "gone.png")) for row in range(3)]
    with pytest.raises(DataError, match="none of 3 documents"):
        ClipRetriever.build(encoder, gone, index_dir=tmp_path / "index", on_error="skip")


@pytest.mark.parametrize(
    ("documents", "said"),
    [
        ([], "got none"),
        ([Document("a", text="x"), Document("a", text="y")], "'a' is given 2 times"),
        ([Document("a")], "neither text nor image"),
    ],
)
def test_unusable_galleries(encoder: ClipEncoder, documents: list[Document], said: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=said):
        ClipRetriever.build(encoder, documents, index_dir=tmp_path)


def test_opening_with_something_else_names_the_part_that_differs(encoder: ClipEncoder, tmp_path: Path) -> None:
    texts = [Document("a", text="boat"), Document("b", text="dog")]
    ClipRetriever.build(encoder, texts, index_dir=tmp_path / "index")
    folder = _folder(tmp_path / "index")
    assert ClipRetriever.open(folder, encoder, texts).size == 2
    model_name = encoder.fingerprint.split("@")[0]
    retrained = ClipEncoder.load(str(write_tiny_clip(tmp_path / model_name, seed=1)))
    with pytest.raises(FingerprintError, match=r"its weights is .* build a new index, or use the weights"):
        ClipRetriever.open(folder, retrained)
    renamed = ClipEncoder.load(str(write_tiny_clip(tmp_path / "renamed", seed=0)))
    with pytest.raises(FingerprintError, match=r"its model is .*, expected renamed"):
        ClipRetriever.open(folder, renamed)
    with pytest.raises(FingerprintError, match="its gallery is"):
        ClipRetriever.open(folder, encoder, texts[:1])


def test_a_damaged_index_is_built_anew_and_opening_it_says_so(
    encoder: ClipEncoder, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    texts = [Document("a", text="boat"), Document("b", text="dog")]
    before = ClipRetriever.build(encoder, texts, index_dir=tmp_path / "index").search([Query("q", "boat")], k=2)
    path = _folder(tmp_path / "index") / EMBEDDINGS
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(DataError, match=r"embeddings\.npy is truncated"):
        ClipRetriever.open(path.parent, encoder)
    after = ClipRetriever.build(encoder, texts, index_dir=tmp_path / "index").search([Query("q", "boat")], k=2)
    assert after == before
    assert "Building it anew" in caplog.text


def test_an_index_folder_that_cannot_be_made(encoder: ClipEncoder, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunFolderError, match="cannot be written"):
        ClipRetriever.build(encoder, [Document("a", text="boat")], index_dir=tmp_path / "file" / "index")


def test_fits_counts_tokens(encoder: ClipEncoder, tmp_path: Path) -> None:
    retriever = ClipRetriever.build(encoder, [Document("a", text="boat")], index_dir=tmp_path)
    assert retriever.fits(["boat " * 22, "boat " * 23, ""]) == [True, False, True]


def test_no_queries_and_no_depth(encoder: ClipEncoder, tmp_path: Path) -> None:
    retriever = ClipRetriever.build(encoder, [Document("a", text="boat")], index_dir=tmp_path)
    assert retriever.search([], k=5) == []
    assert retriever.search([Query("q", "x")], k=0)[0].hits == ()
    with pytest.raises(ValueError, match="1 queries for 2 documents"):
        retriever.similarity([Query("q", "x")], ["a", "a"])
