from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from raqo.errors import DataError, RunFolderError
from raqo.records import Document, Query
from raqo.retrievers import gallery
from raqo.retrievers.build import build_retriever
from raqo.retrievers.fusion import FusionSettings
from raqo.retrievers.gallery import left_out, unreadable
from raqo.retrievers.milvus.settings import MilvusSettings
from raqo.retrievers.settings import RetrieverSettings
from raqo.testing import write_tiny_clip

COLOURS = ("red", "green", "blue")


@pytest.fixture
def documents(tmp_path: Path) -> list[Document]:
    """Three pictures, one that is torn, and one that is not there."""
    for colour in COLOURS:
        Image.new("RGB", (32, 32), colour).save(tmp_path / f"{colour}.png")
    whole = (tmp_path / "red.png").read_bytes()
    (tmp_path / "torn.png").write_bytes(whole[: len(whole) // 2])
    return [Document(name, image=str(tmp_path / f"{name}.png")) for name in ("red", "torn", "green", "gone", "blue")]


@pytest.fixture
def clip(tmp_path: Path) -> RetrieverSettings:
    return RetrieverSettings(kind="clip", model=str(write_tiny_clip(tmp_path / "clip")))


@pytest.fixture
def milvus(tmp_path: Path, clip: RetrieverSettings) -> Iterator[RetrieverSettings]:
    address = str(tmp_path / "gallery.db")
    yield RetrieverSettings(
        kind="milvus", model=clip.model, milvus=MilvusSettings(url=f"milvus:{address}", method="clip")
    )
    from milvus_lite.server_manager import server_manager_instance

    server_manager_instance.release_server(address)


@pytest.mark.parametrize("waiting", [1, 2, 1024])
def test_pictures_that_cannot_be_opened_are_named_in_order(
    documents: list[Document], waiting: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gallery, "WAITING", waiting)
    opened: list[int] = []
    found = unreadable([*documents, Document("text", text="a boat")], opened=lambda: opened.append(1))
    assert [skipped.doc_id for skipped in found] == ["torn", "gone"]
    assert "not a readable picture" in found[0].reason
    assert "no such file" in found[1].reason
    assert len(opened) == 5


def check(settings: RetrieverSettings, documents: list[Document], folder: Path) -> None:
    with pytest.raises(DataError, match=r"(torn|gone)\.png"):
        build_retriever(settings, documents, index_dir=folder)
    for _ in range(2):  # made, and opened again
        retriever = build_retriever(settings, documents, index_dir=folder, on_error="skip")
        assert {skipped.doc_id for skipped in left_out(retriever)} == {"torn", "gone"}
        assert retriever.size == 3
        (ranking,) = retriever.search([Query("q", image=documents[0].image)], k=5)
        assert {hit.doc_id for hit in ranking.hits} == set(COLOURS)


def test_clip(clip: RetrieverSettings, documents: list[Document], tmp_path: Path) -> None:
    check(clip, documents, tmp_path / "index")


def test_hybrid(clip: RetrieverSettings, documents: list[Document], tmp_path: Path) -> None:
    parts = (clip, RetrieverSettings(kind="clip", model=clip.model, image_weight=0.5))
    check(RetrieverSettings(kind="hybrid", parts=parts, fusion=FusionSettings()), documents, tmp_path / "index")


def test_milvus(milvus: RetrieverSettings, documents: list[Document], tmp_path: Path) -> None:
    logging.getLogger("pymilvus").setLevel(logging.CRITICAL)
    check(milvus, documents, tmp_path / "index")


def test_where_the_index_cannot_be_written_the_error_names_the_setting(
    clip: RetrieverSettings, documents: list[Document], tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunFolderError, match=r"cannot be written.*cache_dir"):
        build_retriever(clip, documents, index_dir=tmp_path / "file", on_error="skip")


def test_a_retriever_of_texts_leaves_nothing_out(tmp_path: Path) -> None:
    retriever = build_retriever(RetrieverSettings(kind="bm25"), [Document("a", text="a boat")], index_dir=tmp_path)
    assert left_out(retriever) == ()
