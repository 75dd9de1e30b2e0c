"""`raqo serve` with vLLM: what the gateway passes on really works behind it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from tiny_models import lora_adapter, tiny_llama

from raqo.agents.chat.client import OpenAIChat
from raqo.agents.chat.settings import ChatSettings
from raqo.agents.rewriter import LocalRewriter, RewriterSettings
from raqo.agents.served_rewriter import served_rewriter
from raqo.serving.probing import probe

pytestmark = pytest.mark.engine

PROGRAM = """
import json, sys
from pathlib import Path
from raqo.workflows.serve import serve
given = json.loads(sys.argv[1])
serve(Path(given["model"]), port=0, engine="vllm", engine_python=given["python"],
      engine_arguments=("--enforce-eager", "--max-num-seqs", "16"), lora_dir=Path(given["adapters"]))
"""
TEXTS = (
    "a dinghy at sea",
    "two hounds in the snow",
    "a <end> b",
    "an infant near a fence",
    "a picture of a meadow " * 60,
)


@dataclass
class Endpoint:
    base_url: str
    model: Path
    client: httpx.Client


@pytest.fixture(scope="module")
def endpoint(engine_python: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    folder = tmp_path_factory.mktemp("engines")
    lora_adapter(tiny_llama(folder / "model"), folder / "adapters" / "fir")
    given = {"model": str(folder / "model"), "adapters": str(folder / "adapters"), "python": engine_python}
    environment = {**os.environ, "VLLM_CPU_KVCACHE_SPACE": "1"}
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, json.dumps(given)], stdout=subprocess.PIPE, text=True, env=environment
    )
    assert process.stdout
    try:
        base_url = process.stdout.readline().removeprefix("base_url:").strip()
        assert base_url, "vLLM did not start"
        with httpx.Client(base_url=base_url, timeout=600, trust_env=False) as client:
            yield Endpoint(base_url, folder / "model", client)
    finally:
        process.terminate()
        assert process.wait(timeout=600) == 0
        process.stdout.close()


def text_of(endpoint: Endpoint, model: str) -> str:
    body = {"model": model, "messages": [{"role": "user", "content": "a dinghy"}], "max_tokens": 12, "temperature": 0}
    response = endpoint.client.post("/chat/completions", json=body)
    assert response.status_code == 200, response.text
    return str(response.json()["choices"][0]["message"]["content"])


def test_it_does_all_that_the_preset_declares(endpoint: Endpoint) -> None:
    found = probe(endpoint.base_url, timeout_s=600)
    assert found.problem == ""
    assert found.models == ("rewriter",)
    assert found.does == {"n": True, "structured_output": True, "logprobs": True}


def test_served_rewrites_equal_local_ones(endpoint: Endpoint) -> None:
    settings = RewriterSettings(max_new_tokens=12)
    chat = OpenAIChat(ChatSettings(preset="vllm", model="rewriter", base_url=endpoint.base_url))
    served, local = (
        served_rewriter(chat, endpoint.model, settings=settings),
        LocalRewriter(endpoint.model, settings=settings),
    )
    concepts = local.detect(TEXTS)
    assert served.detect(TEXTS) == concepts
    rewrites = local.rewrite(TEXTS, concepts)
    assert served.rewrite(TEXTS, concepts) == rewrites
    assert [len(found) for found in rewrites] == [1, 1, 1, 1, 0]  # the last one is too long to be read


def test_streams_and_several_answers(endpoint: Endpoint) -> None:
    body = {"messages": [{"role": "user", "content": "a dinghy"}], "max_tokens": 8, "temperature": 0}
    with endpoint.client.stream("POST", "/chat/completions", json={**body, "stream": True}) as response:
        lines = [line.removeprefix("data: ") for line in response.iter_lines() if line]
    assert lines[-1] == "[DONE]"
    parts = [json.loads(line)["choices"][0]["delta"].get("content") or "" for line in lines[:-1]]
    whole = endpoint.client.post("/chat/completions", json=body).json()["choices"][0]["message"]["content"]
    assert "".join(parts) == whole
    several = endpoint.client.post("/chat/completions", json={**body, "n": 5, "temperature": 1.0, "seed": 1}).json()
    assert len({choice["message"]["content"] for choice in several["choices"]}) > 1


def test_an_adapter_is_loaded_while_it_runs(endpoint: Endpoint) -> None:
    def load(path: str) -> int:
        return endpoint.client.post("/load_lora_adapter", json={"lora_name": "fir", "lora_path": path}).status_code

    body = {"model": "fir", "messages": [{"role": "user", "content": "a dinghy"}], "max_tokens": 12}
    assert endpoint.client.post("/chat/completions", json=body).status_code == 404
    assert load("../model") == 400
    assert load("fir") == 200
    assert text_of(endpoint, "fir") != text_of(endpoint, "rewriter")
    assert [model["id"] for model in endpoint.client.get("/models").json()["data"]] == ["rewriter", "fir"]


def test_what_the_engine_has_besides_is_out_of_reach(endpoint: Endpoint) -> None:
    for path in ("/completions", "/responses", "/unload_lora_adapter", "/tokenize"):
        assert endpoint.client.post(path, json={"model": "rewriter", "prompt": "a"}).status_code == 404
