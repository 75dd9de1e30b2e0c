from __future__ import annotations

import asyncio
import json
import threading
import urllib.error
import urllib.request
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import openai
import pytest

from raqo.testing_server import FAULT_TEXT, ChatServer, Fault, random_faults, serving


def ask(base_url: str, text: str = "hello") -> Any:
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": text}]}).encode()
    with urllib.request.urlopen(f"{base_url}/chat/completions", data=body, timeout=120) as reply:
        return json.load(reply)


def loud(body: Any) -> str:
    return body["messages"][-1]["content"].upper()


def test_the_openai_sdk_understands_it() -> None:
    async def main(base_url: str) -> None:
        async with openai.AsyncOpenAI(api_key="none", base_url=base_url, max_retries=0) as client:
            found = await client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}], n=2)
            assert [choice.message.content for choice in found.choices] == ["HI", "HI"]
            assert found.usage is not None
            assert [model.id async for model in client.models.list()] == ["scripted"]

    with ChatServer(loud) as server:
        asyncio.run(main(server.base_url))


def test_calls_beyond_the_room_are_refused_or_wait() -> None:
    def status(base_url: str) -> int:
        try:
            ask(base_url)
        except urllib.error.HTTPError as error:
            return error.code if error.headers["Retry-After"] == "7" else 0
        return 200

    for queues, expected in ((False, {200: 2, 429: 4}), (True, {200: 6})):
        with (
            ChatServer(room=2, queues=queues, hold=lambda _: len(server.calls) < 6, retry_after="7") as server,
            ThreadPoolExecutor(6) as threads,
        ):
            assert Counter(threads.map(status, [server.base_url] * 6)) == expected
        assert server.peak == 2


def test_an_answer_is_kept_back_as_long_as_it_shall_be() -> None:
    go = threading.Event()
    with (
        ChatServer(loud, hold=lambda body: body["messages"][-1]["content"] == "wait" and not go.is_set()) as server,
        ThreadPoolExecutor(1) as thread,
    ):
        kept = thread.submit(ask, server.base_url, "wait")
        assert ask(server.base_url, "soon")["choices"][0]["message"]["content"] == "SOON"
        assert not kept.done()
        go.set()
        assert kept.result()["choices"][0]["message"]["content"] == "WAIT"


def test_random_faults_depend_on_seed_and_call_only() -> None:
    bodies = [{"messages": [{"content": str(number)}]} for number in range(2000)]
    drawn = [random_faults(0.3, seed=1)(body, 0) for body in bodies]
    assert drawn == [random_faults(0.3, seed=1)(body, 0) for body in bodies]
    assert drawn != [random_faults(0.3, seed=2)(body, 0) for body in bodies]
    assert drawn != [random_faults(0.3, seed=1)(body, 1) for body in bodies]
    assert 0.25 < sum(fault is not None for fault in drawn) / 2000 < 0.35
    assert set(drawn) == {None, *Fault}


@pytest.mark.parametrize("fault", [Fault.WRONG_SCHEMA, Fault.REFUSAL, Fault.HUGE])
def test_texts_of_faults_can_be_searched_for(fault: Fault) -> None:
    with ChatServer(faults=[fault]) as server:
        assert FAULT_TEXT in json.dumps(ask(server.base_url))
        assert FAULT_TEXT not in json.dumps(ask(server.base_url))


def test_an_answer_that_raises_is_a_server_error() -> None:
    with ChatServer(lambda body: body["missing"]) as server, pytest.raises(urllib.error.HTTPError, match="500"):
        ask(server.base_url)


def test_in_a_process_of_its_own() -> None:
    with serving("--answer", "json:dumps", "--latency", "0.01", "--room", "2") as base_url:
        text = ask(base_url, "hey")["choices"][0]["message"]["content"]
        assert json.loads(text)["messages"][0]["content"] == "hey"
        with urllib.request.urlopen(base_url.removesuffix("/v1") + "/stats", timeout=120) as reply:
            assert json.load(reply) == {"calls": 1, "peak": 1}
    with pytest.raises(urllib.error.URLError):
        ask(base_url)


def test_a_server_that_cannot_start_is_no_empty_address() -> None:
    with pytest.raises(RuntimeError, match="did not start"), serving("--answer", "json:no_such_function"):
        pass
