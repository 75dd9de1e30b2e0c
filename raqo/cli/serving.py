"""Verbs about models behind servers: serving one, examining those there are, and the answers that are kept of them."""

from __future__ import annotations

import argparse
import shlex
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from raqo.cli.options import add_verb, days, show
from raqo.errors import RaqoError, message


def add_verbs(verbs: Any) -> None:
    """``serve``, ``doctor``, ``cache``."""
    verb = add_verb(verbs, "serve", _serve, "serve a trained rewriter behind an OpenAI-compatible endpoint")
    verb.add_argument("--rewriter", type=Path, required=True, metavar="RUN", help="a run folder or a model folder")
    verb.add_argument("--host", default="127.0.0.1")
    verb.add_argument("--port", type=int, default=8000, help="0 for any free one")
    verb.add_argument("--engine", choices=("auto", "vllm", "transformers"), default="auto")
    verb.add_argument("--engine-python", default=sys.executable, help="Python of the environment that has vLLM")
    verb.add_argument("--engine-args", default="", help="more arguments for the engine, as one text")
    verb.add_argument("--api-key-env", metavar="NAME", help="environment variable with the key that clients must send")
    verb.add_argument("--max-request-bytes", type=int, default=1_000_000)
    verb.add_argument("--lora-dir", type=Path, help="adapters below it may be loaded while serving (vLLM)")

    verb = add_verb(verbs, "doctor", _doctor, "say what is installed, what answers, and how to mend what is not well")
    verb.add_argument(
        "--server", action="append", default=[], metavar="[PRESET=]URL", help="a chat server (repeatable)"
    )
    verb.add_argument("--api-key-env", metavar="NAME", help="environment variable with the servers' key")
    verb.add_argument("--images", action="store_true", help="send the servers a small picture too")

    verb = add_verb(verbs, "cache", _cache, "the answers of chat models that are kept for later runs")
    verb.add_argument("action", choices=("prune",), help="remove them")
    verb.add_argument("--older-than", type=days, metavar="DAYS", help="only those older than this")
    verb.add_argument("--cache-dir", type=Path, default=Path("runs/cache"), help="as in the configuration")


def _serve(arguments: argparse.Namespace) -> None:
    from raqo.workflows.serve import serve

    serve(
        arguments.rewriter,
        host=arguments.host,
        port=arguments.port,
        engine=arguments.engine,
        engine_python=arguments.engine_python,
        engine_arguments=tuple(shlex.split(arguments.engine_args)),
        api_key_env=arguments.api_key_env,
        max_request_bytes=arguments.max_request_bytes,
        lora_dir=arguments.lora_dir,
    )


def _doctor(arguments: argparse.Namespace) -> None:
    from raqo.workflows.doctor import examine
    from raqo.workflows.findings import table

    found = examine(arguments.server, api_key_env=arguments.api_key_env, images=arguments.images)
    show(arguments, {"findings": [asdict(one) for one in found]}, table(found))
    bad = sum(one.state == "bad" for one in found)
    if bad:
        raise RaqoError(message("doctor", f"{bad} findings are bad", "follow the fixes above"))


def _cache(arguments: argparse.Namespace) -> None:
    from raqo.agents.chat.response_cache import prune
    from raqo.workflows.parts import answers_path

    older = None if arguments.older_than is None else arguments.older_than * 86_400
    removed = prune(answers_path(arguments.cache_dir), older_than_s=older)
    show(arguments, {"removed": removed}, f"{removed} answers removed")
