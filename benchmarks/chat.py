"""Calls per second of the chat client against a loopback server with 200 ms latency, and its own CPU per call.

    python benchmarks/chat.py --calls 3200

The server runs in a process of its own and has room for 64 calls at once. The ideal is room / latency calls per second.
Calls before the client has found the server's room are warmed up with and not counted. CPU is the process's own, so it
holds on a busy machine; the calls per second do not: read the ratio on an idle one.
"""

from __future__ import annotations

import argparse
import time

from raqo.agents.chat.client import OpenAIChat
from raqo.agents.chat.event_loop import run_all
from raqo.agents.chat.settings import ChatSettings, FlowSettings
from raqo.protocols import ChatRequest
from raqo.testing_server import serving


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=3200)
    parser.add_argument("--latency", type=float, default=0.2)
    parser.add_argument("--room", type=int, default=64)
    parser.add_argument("--max-concurrency", type=int, default=64)
    given = parser.parse_args()
    with serving("--latency", str(given.latency), "--room", str(given.room)) as base_url:
        flow = FlowSettings(max_concurrency=given.max_concurrency)
        chat = OpenAIChat(ChatSettings(preset="vllm", model="scripted", base_url=base_url, flow=flow))
        _ask(chat, 8 * given.room)
        seconds, cpu = _ask(chat, given.calls)
    reached, ideal = given.calls / seconds, given.room / given.latency
    print(
        f"calls/s {reached:.0f}, ideal {ideal:.0f}, ratio {reached / ideal:.3f}, "
        f"own CPU {1e3 * cpu / given.calls:.2f} ms/call"
    )
    usage = chat.usage
    print(f"attempts per answer {usage.attempts / usage.calls:.3f}, from the first call on")


def _ask(chat: OpenAIChat, count: int) -> tuple[float, float]:
    """Wall and CPU seconds for so many calls side by side."""
    system = {"role": "system", "content": "You improve queries. " * 20}
    requests = [
        ChatRequest(messages=(system, {"role": "user", "content": f"query {number}"}), max_tokens=100)
        for number in range(count)
    ]
    wall, cpu = time.perf_counter(), time.process_time()
    run_all(chat.complete(request) for request in requests)
    return time.perf_counter() - wall, time.process_time() - cpu


if __name__ == "__main__":
    main()
