"""`raqo serve`: a trained rewriter behind an OpenAI-compatible endpoint on this machine."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from raqo.agents.served_rewriter import context_of
from raqo.errors import ConfigError, message
from raqo.serving.engine import MODEL_NAME, EngineName, EngineSettings, choose_engine
from raqo.serving.engine_process import free_port
from raqo.serving.gateway import GatewaySettings
from raqo.serving.model_folder import linked_model
from raqo.serving.running import Address, run_served
from raqo.workflows.progress import say

_LOOPBACK = ("127.0.0.1", "::1", "localhost")


def serve(
    rewriter: Path,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    engine: EngineName = "auto",
    engine_python: str = sys.executable,
    engine_arguments: tuple[str, ...] = (),
    api_key_env: str | None = None,
    max_request_bytes: int = 1_000_000,
    answer_timeout_s: float = 300.0,
    ready_s: float = 600.0,
    lora_dir: Path | None = None,
) -> None:
    """Serve until Ctrl-C or SIGTERM; prints the base URL and a curl line once requests are answered.

    Args:
        rewriter: a run folder, whose final model is served, or a model folder.
        host: to listen on; only this machine reaches the default.
        port: to listen on; 0 for any free one.
        engine: see `raqo.serving.engine.EngineSettings`, as for the next two.
        engine_python: interpreter of vLLM's environment.
        engine_arguments: more arguments for the engine.
        api_key_env: name of the environment variable with the key that clients must send.
        max_request_bytes: longer requests are refused.
        answer_timeout_s: until the engine must have answered.
        ready_s: until the engine must have started.
        lora_dir: below it lie the LoRA adapters that clients may have loaded; vLLM only.

    Raises:
        ConfigError: an argument is wrong, or the address is taken.
        DataError: there is no trained rewriter in the folder.
        ServingError: the engine did not start, or ended by itself.
    """
    if lora_dir is not None and not lora_dir.is_dir():
        raise ConfigError(message(str(lora_dir), "is no folder", "give --lora-dir the folder that holds the adapters"))
    model, dtype = _final_model(rewriter)
    gateway = GatewaySettings(
        key=_key(api_key_env),
        max_request_bytes=max_request_bytes,
        answer_timeout_s=answer_timeout_s,
        adapters=lora_dir,
    )
    if host not in _LOOPBACK and not gateway.key:
        say(f"serve: whoever reaches {host} can use this server; --api-key-env asks them for a key")
    settings = EngineSettings(
        engine=engine,
        python=engine_python,
        dtype=dtype,
        context=context_of(model),
        adapters=lora_dir is not None,
        arguments=engine_arguments,
    )
    with linked_model(model) as folder:
        chosen = choose_engine(settings, free_port())
        say(f"serve: starting {chosen.name} for {model}")
        run_served(
            chosen,
            folder=folder,
            settings=gateway,
            address=Address(host=host, port=port, ready_s=ready_s),
            announce=lambda base_url: _announce(base_url, api_key_env),
            withheld=[api_key_env] if api_key_env else [],
        )
    say("serve: stopped")


def _final_model(rewriter: Path) -> tuple[Path, str]:
    """The model folder, and the type of weights in which it is evaluated."""
    if (rewriter / "config.json").is_file():
        return rewriter, "float32"
    from raqo.workflows.evaluate import final_model
    from raqo.workflows.run_folder import find_run

    folder, config = find_run(rewriter)
    return final_model(folder)[1], config.rewriter.dtype


def _key(name: str | None) -> str:
    if name is None:
        return ""
    key = os.environ.get(name, "")
    if not key or not key.isascii() or not key.isprintable():
        problem = f"environment variable {name} is not set to a key of printable ASCII characters"
        raise ConfigError(message("--api-key-env", problem, "set it to the key that clients shall send"))
    return key


def _announce(base_url: str, api_key_env: str | None) -> None:
    key = f' -H "Authorization: Bearer ${api_key_env}"' if api_key_env else ""
    body = f'{{"model": "{MODEL_NAME}", "temperature": 0, "messages": [{{"role": "user", "content": "Query: ..."}}]}}'
    print(f"base_url: {base_url}")
    print(f"curl {base_url}/chat/completions -H 'Content-Type: application/json'{key} -d '{body}'", flush=True)
