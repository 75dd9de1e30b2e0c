"""Which engine serves a model, and how it is started: vLLM where it can run, else ``transformers serve``."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from raqo.errors import ConfigError, MissingExtraError, message

EngineName = Literal["auto", "vllm", "transformers"]
MODEL_NAME = "rewriter"

# engines run beside the user's data: no telemetry, no downloads
_QUIET = {
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
}
# small models asked for JSON otherwise write blanks until they are cut off
_COMPACT_JSON = '{"backend": "xgrammar", "disable_any_whitespace": true}'
_PROBE = "import importlib.util as u, torch; print(u.find_spec('vllm') is not None, torch.cuda.is_available())"


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """A server to be started as a child process.

    Attributes:
        name: for messages.
        command: what to run; the place where the model folder is linked as ``rewriter`` is its working directory.
        port: where it will listen on loopback.
        environment: added to that of this process.
        key: what the engine wants as API key, if it can check one; known to nobody else.
        loads_adapters: whether LoRA adapters can be loaded while it runs.
    """

    name: str
    command: tuple[str, ...]
    port: int
    environment: Mapping[str, str] = field(default_factory=dict)
    key: str = ""
    loads_adapters: bool = False

    @property
    def url(self) -> str:
        """Where the engine listens."""
        return f"http://127.0.0.1:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSettings:
    """How the engine is run.

    Attributes:
        engine: ``auto`` takes vLLM where it is installed and a CUDA device is there, else transformers.
        python: interpreter of the environment in which vLLM is installed; it need not be raqo's.
        dtype: of the weights; that of `raqo.agents.rewriter.RewriterSettings` gives the same rewrites.
        context: the most tokens of prompt and answer.
        adapters: whether LoRA adapters may be loaded; needs vLLM.
        arguments: more command-line arguments for the engine, as they are.
    """

    engine: EngineName = "auto"
    python: str = sys.executable
    dtype: str = "float32"
    context: int = 4096
    adapters: bool = False
    arguments: tuple[str, ...] = ()


def choose_engine(settings: EngineSettings, port: int) -> Engine:
    """Choose the engine and write its command line.

    Raises:
        ConfigError: adapters are wanted of an engine that cannot load them.
        MissingExtraError: what ``transformers serve`` needs is not installed.
    """
    # the engine's working directory is another one; links are kept, for they tell an environment's Python
    python = os.path.abspath(settings.python) if os.sep in settings.python else settings.python
    if settings.engine == "vllm" or (settings.engine == "auto" and _can_run_vllm(python)):
        return _vllm(settings, python, port)
    if settings.adapters:
        problem = "only vLLM can load adapters while it runs, and it is not chosen"
        raise ConfigError(message("serve", problem, "give --engine vllm, or leave --lora-dir out"))
    return _transformers(settings, port)


def _vllm(settings: EngineSettings, python: str, port: int) -> Engine:
    key = secrets.token_hex(16)
    command = [python, "-m", "vllm.entrypoints.openai.api_server"]
    command += ["--model", MODEL_NAME, "--served-model-name", MODEL_NAME, "--host", "127.0.0.1", "--port", str(port)]
    command += ["--dtype", settings.dtype, "--max-model-len", str(settings.context)]
    command += ["--structured-outputs-config", _COMPACT_JSON]
    environment = {**_QUIET, "VLLM_API_KEY": key}
    if settings.adapters:
        command += ["--enable-lora", "--max-lora-rank", "64"]
        environment["VLLM_ALLOW_RUNTIME_LORA_UPDATING"] = "True"
    return Engine(
        name="vLLM",
        command=(*command, *settings.arguments),
        port=port,
        environment=environment,
        key=key,
        loads_adapters=settings.adapters,
    )


def _transformers(settings: EngineSettings, port: int) -> Engine:
    _check_installed()
    # raqo's own module, because a CUDA build of torchvision beside a CPU build of torch needs raqo's guard
    command = [sys.executable, "-m", "raqo.serving.transformers_server", "serve", MODEL_NAME]
    command += ["--host", "127.0.0.1", "--port", str(port), "--dtype", settings.dtype]
    return Engine(
        name="transformers serve", command=(*command, *settings.arguments), port=port, environment=dict(_QUIET)
    )


def _check_installed() -> None:
    import importlib.util

    missing = [name for name in ("fastapi", "uvicorn", "openai") if importlib.util.find_spec(name) is None]
    if missing:
        problem = f"transformers serve needs {', '.join(missing)}"
        raise MissingExtraError(message("serve", problem, "pip install 'transformers[serving]'"))


def _can_run_vllm(python: str) -> bool:
    """Ask the interpreter itself: torch is not loaded here, and vLLM may live in another environment."""
    environment = {**os.environ, **_QUIET}
    try:
        done = subprocess.run([python, "-c", _PROBE], capture_output=True, text=True, env=environment, timeout=120)
    except (OSError, subprocess.TimeoutExpired) as error:
        problem = f"cannot be asked for vLLM ({error})"
        raise ConfigError(message(python, problem, "give the Python of an environment with vLLM")) from error
    return done.stdout.split() == ["True", "True"]
