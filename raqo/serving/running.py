"""An engine and its gateway from start to clean stop."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from raqo.errors import ConfigError, RaqoError, message
from raqo.serving.engine import Engine
from raqo.serving.engine_process import EngineProcess
from raqo.serving.gateway import Gateway, GatewaySettings

_POLL_S = 0.2
# more than clients keep an idle connection (5 s in httpx and openai), or they would send into closed ones
_IDLE_S = 75


class ServingError(RaqoError):
    """The engine could not be started, or ended by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where the gateway listens, and how long starting and stopping may take.

    Attributes:
        ready_s: until the engine must answer.
        finish_s: that requests in flight are given once a stop is asked for.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    ready_s: float = 600.0
    finish_s: float = 30.0


def run_served(
    engine: Engine,
    *,
    folder: Path,
    settings: GatewaySettings,
    address: Address,
    announce: Callable[[str], None],
    withheld: Sequence[str] = (),
) -> None:
    """Serve until Ctrl-C or SIGTERM: then no new requests, those in flight end, and the engine is stopped.

    Args:
        engine: to be started.
        folder: its working directory.
        settings: of the gateway.
        address: of the gateway.
        announce: called with the base URL once requests are answered.
        withheld: names of environment variables that the engine does not get.

    Raises:
        ConfigError: the address cannot be used.
        ServingError: the engine ended by itself, or was not ready in time; its last log lines are in the text.
    """
    with _socket(address) as listener, _sigterm_interrupts():
        host = f"[{address.host}]" if ":" in address.host else address.host
        base_url = f"http://{host}:{listener.getsockname()[1]}/v1"
        with EngineProcess(engine, folder=folder, withheld=withheld) as process, contextlib.suppress(KeyboardInterrupt):
            asyncio.run(_serve(engine, process, listener, settings, address, lambda: announce(base_url)))


async def _serve(
    engine: Engine,
    process: EngineProcess,
    listener: socket.socket,
    settings: GatewaySettings,
    address: Address,
    announce: Callable[[], None],
) -> None:
    gateway = Gateway(engine, settings)
    config = uvicorn.Config(
        gateway.app,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=_IDLE_S,
        timeout_graceful_shutdown=round(address.finish_s),
    )
    server = uvicorn.Server(config)
    watching = asyncio.create_task(_watch(engine, process, gateway, address.ready_s, announce))
    watching.add_done_callback(lambda _: setattr(server, "should_exit", True))
    try:
        await server.serve(sockets=[listener])
    finally:
        stopped = not watching.done()
        watching.cancel()
        await gateway.close()
    if not stopped:
        watching.result()


async def _watch(
    engine: Engine, process: EngineProcess, gateway: Gateway, ready_s: float, announce: Callable[[], None]
) -> None:
    """Wait until the engine is ready, then for its end; both are errors if they are not what was hoped for."""
    started = asyncio.get_running_loop().time()
    while not process.ended:
        if not gateway.ready and await gateway.engine_is_up():
            gateway.ready = True
            announce()
        if not gateway.ready and asyncio.get_running_loop().time() - started > ready_s:
            raise ServingError(_said(engine, process, f"was not ready within {ready_s:g} s"))
        await asyncio.sleep(_POLL_S)
    raise ServingError(_said(engine, process, "ended by itself"))


def _said(engine: Engine, process: EngineProcess, problem: str) -> str:
    lines = process.last_lines or "(nothing)"
    return message(engine.name, problem, "see what it said last") + f"\n{lines}"


def _socket(address: Address) -> socket.socket:
    try:
        family = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((address.host, address.port), family=family, backlog=2048)
    except OSError as error:
        problem = f"cannot listen there ({error.strerror or error})"
        fix = "give another --port or --host"
        raise ConfigError(message(f"{address.host}:{address.port}", problem, fix)) from error


@contextlib.contextmanager
def _sigterm_interrupts() -> Iterator[None]:
    """Let SIGTERM end things the way Ctrl-C does."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
