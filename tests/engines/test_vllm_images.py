"""A vLLM of its own, as the loop's reviewer would be: what raqo's presets and doctor say of it holds, images too."""

from __future__ import annotations

import os
import time
from pathlib import Path

import httpx
import pytest
from tiny_models import tiny_llava

from raqo.agents.chat.settings import PRESETS
from raqo.serving.engine import Engine
from raqo.serving.engine_process import EngineProcess, free_port
from raqo.serving.probing import CAPABILITIES, probe

pytestmark = pytest.mark.engine


def ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def test_the_preset_holds_for_a_model_that_reads_images(engine_python: str, tmp_path: Path) -> None:
    tiny_llava(tmp_path / "seeing")
    port = free_port()
    command = [engine_python, "-m", "vllm.entrypoints.openai.api_server", "--model", "seeing", "--port", str(port)]
    command += ["--host", "127.0.0.1", "--dtype", "float32", "--max-model-len", "256", "--enforce-eager"]
    command += ["--limit-mm-per-prompt", '{"image": 4}', "--max-num-seqs", "8"]
    command += ["--structured-outputs-config", '{"backend": "xgrammar", "disable_any_whitespace": true}']
    environment = {"VLLM_CPU_KVCACHE_SPACE": "1", "HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1"}
    engine = Engine(name="vLLM", command=tuple(command), port=port, environment={**os.environ, **environment})
    with EngineProcess(engine, folder=tmp_path) as process:
        deadline = time.monotonic() + 1800
        while not ready(engine.url):
            assert not process.ended, process.last_lines
            assert time.monotonic() < deadline, process.last_lines
            time.sleep(0.5)
        found = probe(f"{engine.url}/v1", images=True, timeout_s=600)
    assert found.problem == "", process.last_lines
    assert found.does == {name: getattr(PRESETS["vllm"].capabilities, name) for name in CAPABILITIES}, (
        process.last_lines
    )
