"""A gateway with a fake engine behind it, in a process of its own as in real life."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

PATIENCE_S = 180.0
LATER_S = 10_000.0

PROGRAM = f"""
import asyncio, json, sys, time
from pathlib import Path
from raqo.serving.engine import Engine
from raqo.serving.gateway import GatewaySettings
from raqo.serving.running import Address, ServingError, run_served

given = json.loads(sys.argv[1])
sys.path.append(str(Path(given["engine"]).parent))
from gateway_process import held_port

later = Path(given["log"]).with_suffix(".later")
asyncio.BaseEventLoop.time = lambda loop: time.monotonic() + {LATER_S} * later.exists()
if given["settings"].get("adapters"):
    given["settings"]["adapters"] = Path(given["settings"]["adapters"])
port, kept = held_port()
command = (sys.executable, given["engine"], str(port), given["log"], given["held"])
engine = Engine(name="fake", command=command, port=port, key=given["key"], loads_adapters=given["loads_adapters"])
try:
    run_served(
        engine,
        folder=Path(given["log"]).parent,
        settings=GatewaySettings(**given["settings"]),
        address=Address(port=given["port"], ready_s=given["ready_s"]),
        announce=lambda base_url: print("ready", base_url, flush=True),
        withheld=["CLIENT_KEY"],
    )
except ServingError as error:
    print(error, flush=True)
    sys.exit(1)
print("stopped", flush=True)
"""


@dataclass
class Served:
    """A running gateway: its process, a client, and what reached the engine."""

    process: subprocess.Popen[str]
    client: httpx.Client
    log: Path

    def reached(self) -> list[dict[str, Any]]:
        text = self.log.read_text(encoding="utf-8") if self.log.exists() else ""
        lines = text[: text.rfind("\n") + 1].splitlines()  # the engine may be writing another one
        return [line for line in map(json.loads, lines) if line["path"] != "/health"]

    def release(self, name: str) -> None:
        """Let go on what the engine holds under a name; with ``later``, the gateway's time leaps ahead by `LATER_S`."""
        self.log.with_suffix(f".{name}").touch()

    def engine_started(self) -> bool:
        return self.log.with_suffix(".pids").exists()

    def engine_pids(self) -> list[int]:
        return [int(pid) for pid in self.log.with_suffix(".pids").read_text(encoding="utf-8").split()]

    def chat(self, **body: Any) -> httpx.Response:
        return self.client.post("/v1/chat/completions", json=body)


def held_port() -> tuple[int, socket.socket]:
    """A port of loopback that nobody gets by chance, as long as the socket is open, and a server can ask for by number.

    Linux lets a server have the port of a socket that does not listen, if both may share addresses.
    """
    holder = socket.socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.bind(("127.0.0.1", 0))
    return int(holder.getsockname()[1]), holder


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"


def wait_until(done: Callable[[], bool], seconds: float = PATIENCE_S) -> bool:
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


Serve = Callable[..., contextlib.AbstractContextManager[Served]]


def answers(client: httpx.Client) -> bool:
    with contextlib.suppress(httpx.HTTPError):
        return bool(client.get("/health").status_code)
    return False
