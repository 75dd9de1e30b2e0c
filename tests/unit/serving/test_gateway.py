"""The gateway against a real engine process on loopback."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from gateway_process import Serve, Served, wait_until

ENGINE_KEY, CLIENT_KEY = "engine-secret", "client-secret"


@pytest.fixture(scope="module")
def served(serve: Serve) -> Iterator[Served]:
    with serve(max_request_bytes=2000) as found:
        yield found


@pytest.fixture(scope="module")
def locked(serve: Serve, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, Path]]:
    adapters = tmp_path_factory.mktemp("adapters")
    with serve(key=ENGINE_KEY, settings_key=CLIENT_KEY, loads_adapters=True, adapters=str(adapters)) as found:
        found.client.headers["Authorization"] = f"Bearer {CLIENT_KEY}"
        yield found, adapters


def test_a_request_reaches_the_engine_and_the_answer_the_client(served: Served) -> None:
    asked = {"model": "rewriter", "messages": [{"role": "user", "content": "half \ud83d and é"}], "seed": 3}
    headers = {"Content-Type": "application/json"}
    response = served.client.post("/v1/chat/completions", content=json.dumps(asked), headers=headers)
    assert response.status_code == 200
    assert response.json()["echo"] == asked
    assert served.chat(messages=[]).json()["echo"]["model"] == "rewriter"


def test_health_and_models(served: Served) -> None:
    assert served.client.get("/health").json() == {"status": "ready"}
    assert [model["id"] for model in served.client.get("/v1/models").json()["data"]] == ["rewriter"]


def test_streams_are_passed_through_as_they_come(served: Served) -> None:
    body = {"stream": True, "hold": "second-part"}
    with served.client.stream("POST", "/v1/chat/completions", json=body) as response:
        assert response.headers["content-type"] == "text/event-stream"
        parts = response.iter_raw()
        assert next(parts) == b"data: one\n\n"
        served.release("second-part")
        assert b"".join(parts) == b"data: two\n\n"


@pytest.mark.parametrize(
    "path",
    ["/", "/v1/completions", "/v1/responses", "/reset", "/load_model", "/v1/load_lora_adapter", "/docs",
     "/v1/chat/completions/", "/v1/../reset", "//reset", "/v1/chat/completions/../../../reset", "/metrics"],
)  # fmt: skip
def test_no_other_path_reaches_the_engine(served: Served, path: str) -> None:
    before = len(served.reached())
    url = httpx.URL(str(served.client.base_url)).copy_with(raw_path=path.encode())
    for method in ("GET", "POST", "DELETE"):
        assert served.client.request(method, url, json={}).status_code in (404, 405)
    assert len(served.reached()) == before


@pytest.mark.parametrize(
    ("content", "status"),
    [(b"", 400), (b"[]", 400), (b'"x"', 400), (b"{", 400), (b"[" * 1900, 400), (b"\xff\xfe", 400),
     (json.dumps({"model": "/etc"}).encode(), 404), (json.dumps({"model": ["x"]}).encode(), 404),
     (b" " * 2001, 413), (b" " * 1_000_000, 413)],
)  # fmt: skip
def test_bad_requests_are_refused_before_the_engine(served: Served, content: bytes, status: int) -> None:
    before = len(served.reached())
    headers = {"Content-Type": "application/json"}
    response = served.client.post("/v1/chat/completions", content=content, headers=headers)
    assert response.status_code == status
    assert response.json()["error"]["message"]
    chunked = served.client.post("/v1/chat/completions", content=iter([content]), headers=headers)
    assert chunked.status_code == status
    assert len(served.reached()) == before


def test_a_body_that_is_far_too_long_is_refused_by_its_length(served: Served) -> None:
    head = "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    address = (served.client.base_url.host, served.client.base_url.port)
    with socket.create_connection(address, timeout=60) as client:
        client.sendall(f"{head}Content-Length: {10**12}\r\n\r\n".encode())
        assert client.makefile("rb").readline().split()[1] == b"413"


def test_what_a_web_page_may_post_unasked_is_refused(served: Served) -> None:
    response = served.client.post("/v1/chat/completions", content=b"{}", headers={"Content-Type": "text/plain"})
    assert response.status_code == 415


def test_a_slow_engine_is_given_up(serve: Serve) -> None:
    with serve(answer_timeout_s=0.5) as served:
        assert served.chat(hold="ever").status_code == 504


def test_the_key_is_asked_for_and_stays_here(locked: tuple[Served, Path]) -> None:
    served, _ = locked
    before = len(served.reached())
    for given in (
        "",
        "Bearer",
        "Bearer wrong",
        CLIENT_KEY,
        f"Bearer {CLIENT_KEY}x",
        f"Bearer {ENGINE_KEY}",
        "Bearer é",
    ):
        headers = {"Authorization": given.encode()}
        assert served.client.post("/v1/chat/completions", json={}, headers=headers).status_code == 401
        assert served.client.get("/v1/models", headers=headers).status_code == 401
        assert served.client.get("/health", headers=headers).status_code == 200
    assert len(served.reached()) == before
    answer = served.chat(messages=[])
    assert answer.status_code == 200
    assert "CLIENT_KEY" not in answer.json()["environment"]
    assert served.reached()[-1]["authorization"] == f"Bearer {ENGINE_KEY}"


def test_adapters_are_loaded_from_below_their_directory_only(locked: tuple[Served, Path]) -> None:
    served, adapters = locked
    for place in (adapters / "fir", adapters.parent / f"{adapters.name}-outside", adapters / "pickled"):
        place.mkdir()
        (place / "adapter_config.json").write_text("{}")
        (place / f"adapter_model.{'bin' if place.name == 'pickled' else 'safetensors'}").write_bytes(b"")
    outside = adapters.parent / f"{adapters.name}-outside"
    (adapters / "link").symlink_to(outside)

    def load(name: object, path: object) -> int:
        return served.client.post("/v1/load_lora_adapter", json={"lora_name": name, "lora_path": path}).status_code

    before = len(served.reached())
    for path in (
        f"../{outside.name}",
        str(outside),
        "link",
        ".",
        "",
        "..",
        "fir/../..",
        "pickled",
        "none",
        "a\0b",
        3,
        None,
    ):
        assert load("fir", path) == 400, path
    for name in ("", "rewriter", "a/b", "../x", "x" * 65, None, 3):
        assert load(name, "fir") == 400, name
    assert len(served.reached()) == before
    assert served.chat(model="fir").status_code == 404
    assert load("fir", "fir") == 200
    sent = {"lora_name": "fir", "lora_path": str((adapters / "fir").resolve())}
    assert json.loads(served.reached()[-1]["content"]) == sent
    assert served.chat(model="fir").json()["echo"] == {"model": "fir"}
    assert [model["id"] for model in served.client.get("/v1/models").json()["data"]] == ["rewriter", "fir"]


def test_many_requests_at_once(served: Served) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(16) as pool:
        answers = [pool.submit(served.chat, seed=seed, hold="all") for seed in range(48)]
        together = wait_until(lambda: sum('"all"' in line["content"] for line in served.reached()) == 16)
        served.release("all")
        found = [answer.result().json()["echo"]["seed"] for answer in answers]
    assert found == list(range(48))
    assert together


def test_importing_the_settings_loads_nothing_heavy() -> None:
    heavy = "{'torch', 'transformers', 'uvicorn'}"
    code = f"import sys, raqo.serving.engine, raqo.serving.model_folder; assert not {heavy} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
