"""A chat server on loopback that plays answers, waits and faults: for our tests and for those of anybody's chat loop.

    with ChatServer(lambda body: '{"rewrites": ["a red boat"]}', faults=[Fault.RATE_LIMIT]) as server:
        ...  # ask server.base_url

It speaks ``POST /v1/chat/completions`` over real sockets and binds to 127.0.0.1. `serving` runs it in a process of its
own, for measurements.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import importlib
import json
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Self

Body = Mapping[str, Any]
HUGE_CHARACTERS = 10_000_000
_HOLD_S = 0.005


class Fault(StrEnum):
    """What may happen to a call instead of its answer."""

    RATE_LIMIT = "429"
    SERVER_ERROR = "500"
    UNAVAILABLE = "503"
    RESET = "connection reset"
    HANG = "no answer at all"
    TRUNCATED = "truncated JSON body"
    WRONG_SCHEMA = "content of another form"
    EMPTY = "empty text"
    REFUSAL = "refusal"
    HUGE = "10 MB of text"
    SLOW = "slow answer"


FAULT_TEXT = "FAULT-TEXT that must reach no data set"
"""Every text of a fault holds it, so that data can be searched for it."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole HTTP answer, to be played where no `Fault` fits."""

    status: int
    body: bytes | str = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Call:
    """One request that came in; header names are in lower case."""

    body: Body
    headers: Mapping[str, str]
    played: Fault | Reply | None


Faults = Callable[[Body, int], Fault | Reply | None]


def random_faults(share: float, *, seed: int = 0, kinds: Sequence[Fault] = tuple(Fault)) -> Faults:
    """Faults for a share of the calls, drawn by a hash of the seed, the body and how often that body came before.

    So the same call meets the same fault in every run, whatever the order of the calls, and a retry draws anew.
    """

    def drawn(body: Body, times: int) -> Fault | None:
        digest = hashlib.sha256(json.dumps([seed, times, body], sort_keys=True).encode()).digest()
        hit = int.from_bytes(digest[:6]) < share * 2**48
        return kinds[int.from_bytes(digest[6:12]) % len(kinds)] if hit else None

    return drawn


def never(body: Body) -> bool:
    """Keeps no answer back."""
    return False


def echo(body: Body) -> str:
    """The default answer: a JSON object with the last message and the seed."""
    return json.dumps({"echo": body["messages"][-1]["content"], "seed": body.get("seed")})


class ChatServer:
    """An OpenAI-compatible server in a thread; use it as a context manager.

    Args:
        answer: text of one completion, from the body of the request; for ``n`` completions it is called with the seeds
            ``seed``, ``seed + 1``, ...
        faults: played call by call in the order of arrival, then none; or a function of the body and of how often
            that body came before.
        latency_s: until an answer is sent; 429, 500, 503 and resets come at once.
        slow_s: until an answer is sent under `Fault.SLOW`.
        hold: keeps an answer back as long as it says so of the body, which is looked at again every few milliseconds;
            with it a test waits for what shall happen meanwhile, and not for a time.
        room: calls worked on at once; 0 for any number.
        queues: whether calls beyond the room wait, first come first served; else they are answered with 429.
        retry_after: value of the Retry-After header of every 429 and 503; `None` leaves it out.
        port: 0 for a free one.
    """

    def __init__(
        self,
        answer: Callable[[Body], str] = echo,
        *,
        faults: Sequence[Fault | Reply | None] | Faults = (),
        latency_s: float = 0.0,
        slow_s: float = 1.0,
        hold: Callable[[Body], bool] = never,
        room: int = 0,
        queues: bool = False,
        retry_after: str | None = None,
        port: int = 0,
    ) -> None:
        self.calls: list[Call] = []
        self.peak = 0
        self._answer = answer
        self._faults: Faults | Iterator[Fault | Reply | None] = faults if callable(faults) else iter(faults)
        self._latency, self._slow, self._hold = latency_s, slow_s, hold
        self._room, self._queues = asyncio.Semaphore(room or sys.maxsize), queues
        self._retry = {} if retry_after is None else {"Retry-After": retry_after}
        self._port = port
        self._busy = 0
        self._times: Counter[str] = Counter()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="chat-server", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(self._open(), self._loop).result()
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def base_url(self) -> str:
        """Where the server listens, with ``/v1``."""
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"

    async def _open(self) -> asyncio.Server:
        return await self._loop.create_server(lambda: _Connection(self), "127.0.0.1", self._port, backlog=1024)

    async def _close(self) -> None:
        self._server.close()
        tasks = asyncio.all_tasks(self._loop) - {asyncio.current_task(self._loop)}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def handle(self, line: str, headers: Mapping[str, str], content: bytes) -> Reply | None:
        """Answer one request; ``None`` resets the connection."""
        if line.startswith("GET /stats "):
            return _json(200, {"calls": len(self.calls), "peak": self.peak})
        if line.startswith("GET /v1/models "):
            return _json(200, {"object": "list", "data": [{"id": "scripted", "object": "model"}]})
        if not line.startswith("POST /v1/chat/completions "):
            return _json(404, _error("no such path"))
        return await self._complete(json.loads(content), headers, hashlib.sha256(content).hexdigest())

    async def _complete(self, body: Body, headers: Mapping[str, str], digest: str) -> Reply | None:
        played = self._faults(body, self._times[digest]) if callable(self._faults) else next(self._faults, None)
        self._times[digest] += 1
        self.calls.append(Call(body, headers, played))
        if isinstance(played, Reply):
            return played
        if played is Fault.HANG:
            await asyncio.Event().wait()
        if played in (Fault.RATE_LIMIT, Fault.SERVER_ERROR, Fault.UNAVAILABLE):
            return _json(int(played.value), _error(FAULT_TEXT), self._retry)
        if played is Fault.RESET:
            return None
        return await self._work(body, played)

    async def _work(self, body: Body, played: Fault | None) -> Reply:
        if not self._queues and self._room.locked():
            return _json(429, _error("too many calls at once"), self._retry)
        async with self._room:
            self._busy += 1
            self.peak = max(self.peak, self._busy)
            try:
                await asyncio.sleep(self._slow if played is Fault.SLOW else self._latency)
                while self._hold(body):
                    await asyncio.sleep(_HOLD_S)
            finally:
                self._busy -= 1
        return _completion(body, self._answer, played)


class _Connection(asyncio.Protocol):
    """HTTP/1.1 as clients of chat servers speak it: kept alive, one request after another, bodies of known length."""

    def __init__(self, server: ChatServer) -> None:
        self._server = server
        self._buffer = bytearray()
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport

    def connection_lost(self, error: Exception | None) -> None:
        if self._task is not None:
            self._task.cancel()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        line, *fields = self._buffer[:end].decode("latin-1").split("\r\n")
        pairs = (one.split(":", 1) for one in fields)
        headers = {name.lower(): value.strip() for name, value in pairs}
        whole = end + 4 + int(headers.get("content-length", 0))
        if len(self._buffer) >= whole:
            content = bytes(self._buffer[end + 4 : whole])
            del self._buffer[:whole]
            self._task = asyncio.create_task(self._reply(line, headers, content))

    async def _reply(self, line: str, headers: Mapping[str, str], content: bytes) -> None:
        try:
            reply = await self._server.handle(line, headers, content)
        except Exception as error:
            reply = _json(500, _error(f"{type(error).__name__}: {error}"))
        if reply is None:
            self._transport.abort()
            return
        body = reply.body.encode() if isinstance(reply.body, str) else reply.body
        fields = {"Content-Type": "application/json", "Content-Length": str(len(body)), **reply.headers}
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        self._transport.write(f"HTTP/1.1 {reply.status} -\r\n{head}\r\n".encode() + body)


def _completion(body: Body, answer: Callable[[Body], str], played: Fault | None) -> Reply:
    seed, n = body.get("seed") or 0, body.get("n") or 1
    texts = [_text({**body, "seed": seed + index}, answer, played) for index in range(n)]
    refused = played is Fault.REFUSAL
    messages = [{"role": "assistant", "content": text, "refusal": FAULT_TEXT if refused else None} for text in texts]
    choices = [{"index": index, "message": message, "finish_reason": "stop"} for index, message in enumerate(messages)]
    prompt, completion = len(json.dumps(body["messages"])) // 4, sum(len(text) // 4 + 1 for text in texts)
    usage = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
    whole = {"id": "chatcmpl-0", "object": "chat.completion", "created": 0, "model": body.get("model")}
    reply = _json(200, {**whole, "choices": choices, "usage": usage})
    return Reply(200, reply.body[: len(reply.body) // 2]) if played is Fault.TRUNCATED else reply


def _text(body: Body, answer: Callable[[Body], str], played: Fault | None) -> str:
    if played is Fault.WRONG_SCHEMA:
        return json.dumps({"unexpected": FAULT_TEXT})
    if played is Fault.HUGE:
        return (FAULT_TEXT + " ") * (HUGE_CHARACTERS // len(FAULT_TEXT))
    return "" if played in (Fault.EMPTY, Fault.REFUSAL) else answer(body)


def _error(text: str) -> dict[str, Any]:
    return {"error": {"message": text, "type": "scripted", "code": None}}


def _json(status: int, value: Any, headers: Mapping[str, str] | None = None) -> Reply:
    return Reply(status, json.dumps(value), headers or {})


@contextlib.contextmanager
def serving(*arguments: str) -> Iterator[str]:
    """Run ``python -m raqo.testing_server`` with arguments in a process of its own, and yield its base_url.

    ``GET /stats`` there tells the number of calls, and the most that were worked on at once.
    """
    command = [sys.executable, "-m", "raqo.testing_server", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            base_url = process.stdout.readline().strip() if process.stdout else ""
            if not base_url:
                raise RuntimeError("the chat server did not start: see its message above")
            yield base_url
        finally:
            process.terminate()


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until the process is ended; the first line of standard output is the base_url."""
    parser = argparse.ArgumentParser(description="A chat server on loopback that plays answers and faults.")
    parser.add_argument("--answer", help="module:function from the body of a request to the text of the answer")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds until an answer is sent")
    parser.add_argument("--room", type=int, default=0, help="calls worked on at once; 0 for any number")
    parser.add_argument("--queues", action="store_true", help="calls beyond the room wait instead of getting 429")
    parser.add_argument("--fault-share", type=float, default=0.0, help="share of the calls that meet a random fault")
    parser.add_argument("--seed", type=int, default=0, help="of the faults")
    parser.add_argument("--port", type=int, default=0, help="0 for a free one")
    given = parser.parse_args(arguments)
    server = ChatServer(
        _function(given.answer) if given.answer else echo,
        faults=random_faults(given.fault_share, seed=given.seed),
        latency_s=given.latency,
        room=given.room,
        queues=given.queues,
        port=given.port,
    )
    with server, contextlib.suppress(KeyboardInterrupt):
        print(server.base_url, flush=True)
        threading.Event().wait()


def _function(path: str) -> Callable[[Body], str]:
    module, _, name = path.partition(":")
    found: Callable[[Body], str] = getattr(importlib.import_module(module), name)
    return found


if __name__ == "__main__":
    main()
