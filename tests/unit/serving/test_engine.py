"""Which engine is chosen, and how it is started."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from raqo.errors import ConfigError
from raqo.serving.engine import EngineSettings, choose_engine


def interpreter(folder: Path, *, vllm: bool, cuda: bool) -> str:
    """A stand-in for the Python of another environment, which says what is installed there."""
    path = folder / "python"
    path.write_text(f"#!/bin/sh\necho {vllm} {cuda}\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize(
    ("vllm", "cuda", "name"),
    [(True, True, "vLLM"), (True, False, "transformers serve"), (False, True, "transformers serve")],
)
def test_vllm_is_taken_where_it_can_run(tmp_path: Path, vllm: bool, cuda: bool, name: str) -> None:
    python = interpreter(tmp_path, vllm=vllm, cuda=cuda)
    engine = choose_engine(EngineSettings(python=python, arguments=("--seed", "3")), 1234)
    assert engine.name == name
    assert engine.command[0] == (python if name == "vLLM" else sys.executable)
    assert engine.command[-2:] == ("--seed", "3")
    assert "127.0.0.1" in engine.command
    assert "1234" in engine.command
    assert engine.environment["HF_HUB_OFFLINE"] == "1"


def test_vllm_gets_a_key_of_its_own_and_loads_adapters_only_if_asked() -> None:
    plain = choose_engine(EngineSettings(engine="vllm"), 1)
    lora = choose_engine(EngineSettings(engine="vllm", adapters=True), 1)
    assert plain.key != lora.key
    assert plain.environment["VLLM_API_KEY"] == plain.key
    assert plain.key not in " ".join(plain.command)
    assert not plain.loads_adapters
    assert "--enable-lora" not in plain.command
    assert lora.loads_adapters
    assert "--enable-lora" in lora.command
    assert lora.environment["VLLM_ALLOW_RUNTIME_LORA_UPDATING"] == "True"


def test_an_interpreter_that_is_not_there_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be asked for vLLM"):
        choose_engine(EngineSettings(python=str(tmp_path / "none")), 1)
