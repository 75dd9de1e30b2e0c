"""Galleries in a Milvus server: a process of milvus-lite on this machine."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path

import grpc
import pytest
from milvus_galleries import passages, same_as_bm25
from milvus_server import milvus_server
from word_encoder import WordEncoder

from raqo.errors import ConfigError, RunFolderError
from raqo.records import Document, Query
from raqo.retrievers.build import build_retriever
from raqo.retrievers.milvus.collection import MilvusCollection
from raqo.retrievers.milvus.layout import WordLayout
from raqo.retrievers.milvus.rows import Row
from raqo.retrievers.milvus.settings import MilvusSettings
from raqo.retrievers.milvus.vector_sources import SentenceVectors
from raqo.retrievers.milvus.vectors import MilvusVectorRetriever
from raqo.retrievers.settings import RetrieverSettings
from raqo.testing import check_retriever, toy_dataset

SECRET = "root:Sesame-Open"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with milvus_server(tmp_path_factory.mktemp("milvus") / "data") as (address, _):
        yield address


def settings_of(address: str, **other: object) -> RetrieverSettings:
    milvus = MilvusSettings(url=f"milvus:{address}", **other)  # type: ignore[arg-type]
    return RetrieverSettings(kind="milvus", milvus=milvus)


def test_two_thousand_texts_rank_as_in_raqos_own_bm25(address: str, tmp_path: Path) -> None:
    same_as_bm25(settings_of(address), tmp_path)


@pytest.mark.slow
def test_it_keeps_the_promises_of_a_retriever(address: str, tmp_path: Path) -> None:
    dataset = toy_dataset()
    queries = [*dataset.queries, Query("empty"), Query("unknown", "zzz")]
    check_retriever(build_retriever(settings_of(address), dataset.documents, index_dir=tmp_path), queries)
    source = SentenceVectors(WordEncoder())
    check_retriever(
        MilvusVectorRetriever.build(settings_of(address, method="dense"), source, dataset.documents), queries
    )


def test_two_builds_of_one_gallery_at_once_never_mix(address: str) -> None:
    settings = settings_of(address).milvus
    layout = WordLayout(k1=0.9, b=0.4)
    first, second = (MilvusCollection(settings, fingerprint="both", layout=layout) for _ in range(2))

    def rows(part: list[Document]) -> Iterator[Row]:
        yield from (Row(document.doc_id, document.text or "") for document in part)

    def interrupted() -> Iterator[Row]:
        yield from rows(passages(1500))
        second.fill(rows(passages(1500)), 1500)
        yield from rows(passages(1500, seed=1))

    with pytest.raises(RunFolderError, match="Milvus could not do it .* start again"):
        first.fill(interrupted(), 3000)
    assert second.is_whole(1500)
    assert not second.is_whole(3000)


def test_a_server_that_goes_away_is_one_clear_error(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    documents = [Document("a", text="a red boat")]
    with milvus_server(tmp_path / "data") as (address, process):
        settings = settings_of(address, timeout=20.0)
        retriever = build_retriever(settings, documents, index_dir=tmp_path)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        capfd.readouterr()
        with pytest.raises(RunFolderError, match=rf"^milvus:{address}: Milvus could not do it \(.*start again\.$"):
            retriever.search([Query("q", "boat")], k=1)
    assert capfd.readouterr().err == ""


class _Refusing(grpc.GenericRpcHandler):
    """Says the token back, as it was sent and as it was meant."""

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        sent = dict(details.invocation_metadata).get("authorization", "none")

        def refuse(request: bytes, context: grpc.ServicerContext) -> bytes:
            context.abort(grpc.StatusCode.UNAUTHENTICATED, f"{sent} is {SECRET}, and Sesame-Open is no password")
            raise AssertionError

        return grpc.unary_unary_rpc_method_handler(refuse)


def test_a_token_never_gets_into_errors_or_logs(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MY_TOKEN", SECRET)
    caplog.set_level("DEBUG")
    server = grpc.server(futures.ThreadPoolExecutor(2), handlers=[_Refusing()])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    settings = settings_of(f"http://127.0.0.1:{port}", token_env="MY_TOKEN")
    try:
        with pytest.raises(ConfigError, match="MY_TOKEN") as raised:
            build_retriever(settings, [Document("a", text="b")], index_dir=Path())
    finally:
        server.stop(None).wait()
    shown = f"{raised.value} {raised.value.__cause__} {caplog.text} {''.join(capfd.readouterr())}"
    for secret in ("Sesame", "cm9vdDpTZXNhbWUtT3Blbg"):  # base64 of the token
        assert secret not in shown


def test_nothing_listens(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="milvus:http://127.0.0.1:1: no Milvus can be used there"):
        build_retriever(settings_of("http://127.0.0.1:1"), [Document("a", text="b")], index_dir=tmp_path)
