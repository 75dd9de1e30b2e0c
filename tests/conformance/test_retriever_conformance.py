"""Every retriever keeps the promises of `raqo.protocols.Retriever`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from raqo.protocols import Chat, ChatRequest, Encoder, Retriever
from raqo.records import Document, Hit, Query, Ranking
from raqo.retrievers.build import Encoders, build_encoder, build_retriever
from raqo.retrievers.fusion import FusionSettings
from raqo.retrievers.index_settings import HammingSettings, HnswSettings, IvfSettings, LshSettings
from raqo.retrievers.milvus.settings import MilvusSettings
from raqo.retrievers.settings import RetrieverSettings
from raqo.retrievers.weighted_query import WeightedQuery
from raqo.testing import ScriptedChat, ToyRetriever, check_retriever, toy_dataset, write_tiny_clip
from raqo.training.dual.settings import DualSettings, DualShape
from raqo.training.dual.start import write_start

SMALL = {  # settings of each index, for galleries of some eighty documents
    "ivf": IvfSettings(lists=6, probes=2),
    "hnsw": HnswSettings(links=4, search_breadth=8),
    "lsh_faiss": HammingSettings(bits=64, refine=10),
    "lsh": LshSettings(tables=6, hyperplanes=6, probes=1),
}
INDEXES = ("flat", "ivf", "hnsw", "lsh-faiss", "lsh")

HYBRIDS = {
    "rrf": RetrieverSettings(
        kind="hybrid",
        parts=(RetrieverSettings(kind="bm25"), RetrieverSettings(kind="dense"), RetrieverSettings(kind="lsh")),
        fusion=FusionSettings(depth=30),
    ),
    "sum": RetrieverSettings(
        kind="hybrid",
        parts=(RetrieverSettings(kind="bm25", engine="rank_bm25"), RetrieverSettings(kind="dense")),
        fusion=FusionSettings(method="sum", weights=(0.3, 0.7)),
    ),
}

ODD = [Query("empty"), Query("dots", "... ?!"), Query("unknown", "zzz qqq"), Query("long", "a red boat " * 200)]


@pytest.fixture(scope="module")
def clip_settings(tmp_path_factory: pytest.TempPathFactory) -> RetrieverSettings:
    folder = write_tiny_clip(tmp_path_factory.mktemp("model"))
    return RetrieverSettings(model=f"local-dir:{folder}", batch_size=16)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder, rng = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    paths = []
    for number in range(40):
        path = folder / f"{number:02}.png"
        Image.fromarray(rng.integers(0, 255, (32, 32, 3), dtype=np.uint8)).save(path)
        paths.append(str(path))
    return paths


@pytest.mark.parametrize("engine", ["bm25s", "rank_bm25"])
@pytest.mark.parametrize("stop_words", [True, False])
def test_bm25(engine: str, stop_words: bool, tmp_path: Path) -> None:
    dataset = toy_dataset()
    settings = RetrieverSettings(kind="bm25", engine=engine, stop_words=stop_words)
    retriever = build_retriever(settings, dataset.documents, index_dir=tmp_path)
    assert isinstance(retriever, Retriever)
    weighted = WeightedQuery("weighted", terms=(("a red", 0.5), ("boat boat zzz", 2.0)))
    check_retriever(retriever, [*dataset.queries, *ODD, weighted])


def test_clip_text_to_image(clip_settings: RetrieverSettings, pictures: list[str], tmp_path: Path) -> None:
    copies = [Document(f"copy{row}", image=pictures[0]) for row in range(30)]
    documents = [*copies, *(Document(f"d{row}", image=path) for row, path in enumerate(pictures))]
    encoder = build_encoder(clip_settings)
    assert isinstance(encoder, Encoder)
    retriever = build_retriever(clip_settings, documents, index_dir=tmp_path, encoder=encoder)
    check_retriever(retriever, [*toy_dataset().queries, *ODD])


def test_clip_image_to_text(clip_settings: RetrieverSettings, pictures: list[str], tmp_path: Path) -> None:
    retriever = build_retriever(clip_settings, toy_dataset().documents, index_dir=tmp_path)
    check_retriever(retriever, [Query(f"q{row}", image=path) for row, path in enumerate(pictures[:20])])


@pytest.mark.parametrize("index", INDEXES[1:])
def test_clip_by_candidates(index: str, clip_settings: RetrieverSettings, pictures: list[str], tmp_path: Path) -> None:
    documents = [Document(f"d{row}", image=path) for row, path in enumerate([*pictures, *pictures[:5]])]
    settings = replace(clip_settings, index=index, image_weight=0.4, **SMALL)  # type: ignore[arg-type]
    retriever = build_retriever(settings, documents, index_dir=tmp_path)
    both = [Query(f"both{row}", "a boat", image=path) for row, path in enumerate(pictures[:5])]
    check_retriever(retriever, [*toy_dataset().queries, *ODD, *both])


@pytest.fixture(scope="module")
def dual_model(tmp_path_factory: pytest.TempPathFactory) -> str:
    shape = DualShape(hidden=16, layers=1, heads=2, image_size=32, patch_size=16, vocabulary=150)
    folder = tmp_path_factory.mktemp("dual")
    write_start(DualSettings(shape=shape), [document.text or "" for document in toy_dataset().documents], folder)
    return str(folder)


@pytest.fixture(scope="module")
def encoders() -> Encoders:
    return Encoders()


@pytest.mark.parametrize("index", INDEXES)
def test_dense(index: str, encoders: Encoders, tmp_path: Path) -> None:
    settings = RetrieverSettings(kind="dense", index=index, **SMALL)  # type: ignore[arg-type]
    _check_texts(settings, encoders, tmp_path)


@pytest.mark.parametrize("index", INDEXES)
def test_dual(index: str, encoders: Encoders, dual_model: str, pictures: list[str], tmp_path: Path) -> None:
    settings = RetrieverSettings(kind="dual", model=dual_model, index=index, **SMALL)  # type: ignore[arg-type]
    _check_texts(settings, encoders, tmp_path)
    retriever = build_retriever(settings, toy_dataset().documents, index_dir=tmp_path, encoders=encoders)
    both = [Query(f"both{row}", "what is this?", image=path) for row, path in enumerate(pictures[:5])]
    check_retriever(retriever, [*both, *ODD, *(Query(f"p{row}", image=path) for row, path in enumerate(pictures[:3]))])


@pytest.mark.parametrize("scan", [True, False])
def test_lsh(scan: bool, encoders: Encoders, tmp_path: Path) -> None:
    lsh = LshSettings(tables=2, hyperplanes=16, scan_when_short=scan)
    _check_texts(RetrieverSettings(kind="lsh", lsh=lsh), encoders, tmp_path)


@pytest.mark.parametrize("name", HYBRIDS)
def test_hybrid(name: str, encoders: Encoders, tmp_path: Path) -> None:
    _check_texts(HYBRIDS[name], encoders, tmp_path)


@pytest.fixture(scope="module")
def milvus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The embedded engine; one folder for all galleries."""
    address = str(tmp_path_factory.mktemp("milvus") / "galleries.db")
    yield f"milvus:{address}"
    from milvus_lite.server_manager import server_manager_instance

    server_manager_instance.release_server(address)


@pytest.mark.parametrize(
    ("method", "index"),
    [
        ("bm25", "flat"),
        ("dense", "flat"),
        pytest.param("dense", "ivf", marks=pytest.mark.slow),
        pytest.param("dense", "hnsw", marks=pytest.mark.slow),
    ],
)
def test_milvus(method: str, index: str, milvus: str, encoders: Encoders, tmp_path: Path) -> None:
    where = MilvusSettings(url=milvus, method=method)  # type: ignore[arg-type]
    settings = RetrieverSettings(kind="milvus", milvus=where, index=index, **SMALL)  # type: ignore[arg-type]
    _check_texts(settings, encoders, tmp_path)


def test_milvus_clip(milvus: str, clip_settings: RetrieverSettings, pictures: list[str], tmp_path: Path) -> None:
    copies = [Document(f"copy{row}", image=pictures[0]) for row in range(30)]
    documents = [*copies, *(Document(f"d{row}", image=path) for row, path in enumerate(pictures))]
    where = MilvusSettings(url=milvus, method="clip")
    settings = replace(clip_settings, kind="milvus", milvus=where, image_weight=0.4)
    both = [Query(f"both{row}", "a boat", image=path) for row, path in enumerate(pictures[:5])]
    retriever = build_retriever(settings, documents, index_dir=tmp_path)
    check_retriever(retriever, [*toy_dataset().queries, *ODD, *both])


def _check_texts(settings: RetrieverSettings, encoders: Encoders, tmp_path: Path) -> None:
    dataset = toy_dataset()
    copies = [Document(f"copy{row}", text=dataset.documents[0].text) for row in range(5)]
    retriever = build_retriever(settings, [*dataset.documents, *copies], index_dir=tmp_path, encoders=encoders)
    assert isinstance(retriever, Retriever)
    weighted = WeightedQuery("weighted", "a red boat", terms=(("red", 0.5), ("boat sea", 2.0)))
    check_retriever(retriever, [*dataset.queries, *ODD, weighted])


def test_toy() -> None:
    dataset = toy_dataset()
    check_retriever(ToyRetriever(dataset.documents), [*dataset.queries, *ODD])


def test_the_toy_misses_what_it_has_never_heard_of_and_finds_the_reference() -> None:
    dataset = toy_dataset()
    toy = ToyRetriever(dataset.documents)
    common = [Query(query.query_id, dataset.reference[query.query_id]) for query in dataset.queries]
    for name, queries in (("rare", dataset.queries), ("common", common)):
        found = [ranking.rank_of(dataset.targets[ranking.query_id][0]) == 1 for ranking in toy.search(queries, k=10)]
        assert all(found) if name == "common" else sum(found) <= len(found) / 2


class _Broken(ToyRetriever):
    def __init__(self, fault: str) -> None:
        super().__init__(toy_dataset().documents)
        self.fault, self.calls = fault, 0

    @property
    def fingerprint(self) -> str:
        return super().fingerprint + (str(self.calls) if self.fault == "fingerprint" else "")

    def search(self, queries: list[Query], *, k: int) -> list[Ranking]:  # type: ignore[override]
        self.calls += 1
        rankings = super().search(queries, k=k + (self.fault == "k"))
        if self.fault == "order":
            return rankings[::-1]
        if self.fault == "ties":
            return [Ranking(one.query_id, _swap_equal(one.hits)) for one in rankings]
        if self.fault == "ascending":
            return [Ranking(one.query_id, tuple(Hit(h.doc_id, -h.score) for h in one.hits)) for one in rankings]
        if self.fault == "batch" and len(queries) == 1:
            return [Ranking(one.query_id, tuple(Hit(h.doc_id, h.score + 1) for h in one.hits)) for one in rankings]
        return rankings

    def similarity(self, queries: list[Query], doc_ids: list[str]) -> np.ndarray:  # type: ignore[override,type-arg]
        return super().similarity(queries, doc_ids) * (2 if self.fault == "similarity" else 1)


def _swap_equal(hits: tuple[Hit, ...]) -> tuple[Hit, ...]:
    for at, (left, right) in enumerate(pairwise(hits)):
        if left.score == right.score:
            return (*hits[:at], right, left, *hits[at + 2 :])
    return hits


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("k", "hits for a limit"),
        ("order", "keep the order"),
        ("ties", "equal scores"),
        ("ascending", "must not rise"),
        ("batch", "one by one"),
        ("similarity", "search said"),
        ("fingerprint", "must not change"),
    ],
)
def test_the_check_finds_each_fault_and_names_it(fault: str, said: str) -> None:
    with pytest.raises(AssertionError, match=said):
        check_retriever(_Broken(fault), toy_dataset().queries)


def test_scripted_chat_plays_its_answers_in_order_and_records_the_calls() -> None:
    chat = ScriptedChat(["one", "two three", RuntimeError("down")])
    assert isinstance(chat, Chat)
    asked = ChatRequest(messages=({"role": "user", "content": "say two"},), n=2, seed=7)
    first, second = asyncio.run(chat.complete(asked))
    assert (first.text, second.text, second.completion_tokens) == ("one", "two three", 2)
    assert chat.requests == [asked]
    with pytest.raises(RuntimeError, match="down"):
        asyncio.run(chat.complete(asked))
    with pytest.raises(AssertionError, match="longer script"):
        asyncio.run(chat.complete(asked))


def test_scripted_chat_computes_answers() -> None:
    chat = ScriptedChat(lambda messages: messages[-1]["content"].upper())
    (found,) = asyncio.run(chat.complete(ChatRequest(messages=({"content": "loud"},))))
    assert found.text == "LOUD"
