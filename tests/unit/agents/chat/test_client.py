from __future__ import annotations

import asyncio
import json
import logging
import socket
import threading
import time
from typing import Any

import pytest
from chat_setup import KEY, QUICK, Purse, answer, chat_at, no_answer, request

from raqo.agents.chat.build import build_chat
from raqo.agents.chat.client import OpenAIChat
from raqo.agents.chat.event_loop import run_all
from raqo.agents.chat.meter import Usage
from raqo.agents.chat.settings import Capabilities, ChatSettings, FlowSettings, Price
from raqo.errors import BudgetError, ConfigError, StoppedError
from raqo.protocols import Chat, ChatRequest
from raqo.testing_server import ChatServer, Fault, Reply

BARE = Capabilities(n=False, structured_output=False, images=False, logprobs=False)
SCHEMA = {
    "type": "object",
    "properties": {"a": {"type": "string"}, "b": {"type": "array", "items": {"$ref": "#/$defs/B"}}},
    "$defs": {"B": {"type": "object", "properties": {"c": {"type": "integer"}}}},
}
PICTURE = ChatRequest(
    messages=(
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "what is this?"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 4000}},
            ],
        },
    ),
    max_tokens=10,
)


def test_an_answer_and_what_was_sent() -> None:
    with ChatServer(lambda body: "héllo") as server:
        chat = chat_at(server)
        (result,) = answer(chat, request("a boat", temperature=0.5, seed=7, max_tokens=33))
    assert isinstance(chat, Chat)
    assert (result.text, result.finish_reason) == ("héllo", "stop")
    assert result.prompt_tokens > 0
    (call,) = server.calls
    assert call.body == {
        "model": "tiny",
        "messages": [{"role": "user", "content": "a boat"}],
        "temperature": 0.5,
        "seed": 7,
        "max_tokens": 33,
    }
    assert chat.usage == Usage(1, 1, result.prompt_tokens, result.completion_tokens, 0.0)


def test_several_completions_in_one_call() -> None:
    with ChatServer(lambda body: str(body["seed"])) as server:
        results = answer(chat_at(server), request(n=3, seed=5))
    assert [result.text for result in results] == ["5", "6", "7"]
    assert [call.body["n"] for call in server.calls] == [3]
    assert [result.prompt_tokens > 0 for result in results] == [True, False, False]


def test_several_completions_from_a_server_without_n() -> None:
    with ChatServer(lambda body: str(body["seed"]), hold=lambda _: len(server.calls) < 3) as server:
        results = answer(chat_at(server, capabilities=BARE), request(n=3, seed=5))
    assert [result.text for result in results] == ["5", "6", "7"]
    assert sorted(call.body["seed"] for call in server.calls) == [5, 6, 7]
    assert all("n" not in call.body for call in server.calls)
    assert server.peak == 3


def test_a_server_that_ignores_n_is_found_out() -> None:
    one = {"choices": [{"message": {"content": "x"}, "finish_reason": "stop"}]}
    with ChatServer(faults=[Reply(200, json.dumps(one))] * 3) as server:
        error = no_answer(chat_at(server), request(n=2))
    assert "1 completions for n=2" in str(error)


def test_a_schema_is_sent_in_its_strict_form_where_it_is_enforced() -> None:
    with ChatServer() as server:
        answer(chat_at(server), request(schema=SCHEMA))
        answer(chat_at(server, capabilities=BARE), request(schema=SCHEMA))
    with_schema, without = (call.body for call in server.calls)
    form = with_schema["response_format"]["json_schema"]
    assert form["strict"] is True
    assert form["schema"]["required"] == ["a", "b"]
    assert form["schema"]["additionalProperties"] is False
    assert form["schema"]["$defs"]["B"]["required"] == ["c"]
    assert "response_format" not in without


def test_images_are_not_sent_to_a_server_that_reads_none() -> None:
    with ChatServer(lambda body: "a boat") as server:
        chat = chat_at(server, capabilities=BARE)
        assert not chat.reads_images
        with pytest.raises(ConfigError, match="read no images"):
            answer(chat, PICTURE)
        assert not server.calls
        assert answer(chat_at(server), PICTURE)[0].text == "a boat"


def test_many_threads_and_loops_share_one_chat() -> None:
    with ChatServer(lambda body: body["messages"][0]["content"], latency_s=0.01) as server:
        chat, found = chat_at(server), {}

        def ask(name: str) -> None:
            found[name] = [result.text for (result,) in run_all(chat.complete(request(name)) for _ in range(5))]

        threads = [threading.Thread(target=ask, args=(str(number),)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert answer(chat, request("here"))[0].text == "here"
    assert found == {str(number): [str(number)] * 5 for number in range(4)}


def test_concurrency_stays_below_the_maximum() -> None:
    awaited = 0
    with ChatServer(hold=lambda _: len(server.calls) < awaited) as server:
        chat = chat_at(server, flow=FlowSettings(max_concurrency=6, start_concurrency=2))
        run_all(chat.complete(request(str(number))) for number in range(60))  # the maximum is reached
        awaited = len(server.calls) + 6
        run_all(chat.complete(request(str(number))) for number in range(60))
    assert server.peak == 6


def test_requests_per_minute_hold_calls_back() -> None:
    with ChatServer() as server:
        chat = chat_at(server, flow=FlowSettings(requests_per_minute=600))
        started = time.monotonic()
        run_all(chat.complete(request(str(number))) for number in range(14))
        assert time.monotonic() - started > 0.35


def test_the_key_comes_from_the_environment_and_shows_up_nowhere(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("MY_KEY", KEY)
    caplog.set_level(logging.DEBUG)
    echoing = Reply(500, json.dumps({"error": {"message": f"bad luck, {KEY}"}}))
    with ChatServer(faults=[None, *[echoing] * 3, Reply(401, f"{KEY} is wrong")]) as server:
        chat = chat_at(server, api_key_env="MY_KEY")
        answer(chat)
        assert server.calls[0].headers["authorization"] == f"Bearer {KEY}"
        failed = no_answer(chat)
        with pytest.raises(ConfigError, match="MY_KEY") as wrong:
            answer(chat)
    shown = [repr(chat), str(vars(chat)["_settings"]), str(failed), repr(failed), str(wrong.value), caplog.text]
    assert "bad luck, ***" in str(failed)
    assert not any(KEY in text for text in shown)


def test_a_missing_key_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(ConfigError, match="OPENAI_API_KEY is not set"):
        OpenAIChat(ChatSettings(model="m"))


def test_openais_key_and_account_are_not_sent_to_other_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID"):
        monkeypatch.setenv(name, KEY)
    with ChatServer() as server:
        answer(chat_at(server))
    assert not any(KEY in value for value in server.calls[0].headers.values())


@pytest.mark.parametrize(
    ("status", "words"),
    [(401, "without a key"), (403, "without a key"), (404, "chat.model"), (402, "no credit"), (308, "chat.base_url")],
)
def test_what_no_other_call_could_mend_stops_the_run(status: int, words: str) -> None:
    with ChatServer(faults=[Reply(status, json.dumps({"error": {"message": "no such thing"}}))]) as server:
        chat = chat_at(server, flow=FlowSettings(max_concurrency=1))
        with pytest.raises(ConfigError, match=words):
            run_all(chat.complete(request(str(number))) for number in range(20))
        assert len(server.calls) == 1
        with pytest.raises(ConfigError, match=words):
            answer(chat)


def test_stop_lets_calls_on_their_way_end_and_starts_none() -> None:
    def stopping(_: object) -> str:
        chat.stop()
        return "on its way"

    with ChatServer(stopping, hold=lambda _: len(server.calls) < 4) as server:
        chat = chat_at(server, flow=FlowSettings(max_concurrency=4, start_concurrency=4))
        found = asyncio.run(_gather(chat, 10))
        assert len(server.calls) == 4
        with pytest.raises(StoppedError):
            answer(chat)
    assert sum(isinstance(one, list) for one in found) == 4
    assert sum(isinstance(one, StoppedError) for one in found) == 6


@pytest.mark.parametrize("waits_for", ["retry", "rate"])
def test_stop_wakes_whoever_waits(waits_for: str) -> None:
    async def stopped() -> None:
        waiting = asyncio.create_task(chat.complete(request()))
        while not server.calls:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.2)  # it waits by now; if not, it has to end as well
        chat.stop()
        await asyncio.wait_for(waiting, 50)

    with ChatServer(faults=[Fault.RATE_LIMIT] if waits_for == "retry" else [], retry_after="3600") as server:
        rate = 1 if waits_for == "rate" else None
        flow = FlowSettings(requests_per_minute=rate, max_wait_s=3600.0, deadline_s=1e5)
        chat = chat_at(server, flow=flow)
        if waits_for == "rate":
            answer(chat)
        with pytest.raises(StoppedError):
            asyncio.run(stopped())
    assert len(server.calls) == 1


async def _gather(chat: OpenAIChat, count: int) -> list[Any]:
    asked = [chat.complete(request(str(number))) for number in range(count)]
    return list(await asyncio.gather(*asked, return_exceptions=True))


PRICES = {"tiny": Price(prompt=1.0, completion=10.0)}


def test_every_call_is_reserved_at_the_most_it_can_cost_and_settled_at_what_it_did() -> None:
    with ChatServer(lambda body: "short") as server:
        purse = Purse(100.0)
        chat = chat_at(server, ledger=purse, prices=PRICES)
        text = "ü" * 500
        (result,) = answer(chat, request(text, max_tokens=50))
        results = answer(chat, request(text, max_tokens=50, n=2))
    spent = (result.prompt_tokens * 1.0 + result.completion_tokens * 10.0) / 1e6
    assert purse.settled[0] == pytest.approx(spent)
    assert purse.reserved[0] >= (1000 * 1.0 + 50 * 10.0) / 1e6
    assert purse.reserved[1] >= (1000 * 1.0 + 2 * 50 * 10.0) / 1e6
    assert purse.settled[1] <= purse.reserved[1]
    used = results[0].prompt_tokens + 10 * sum(one.completion_tokens for one in results)
    assert chat.usage.money == pytest.approx(spent + used / 1e6)


def test_an_image_is_reserved_by_its_tokens_not_by_its_bytes() -> None:
    with ChatServer() as server:
        purse = Purse(100.0)
        answer(chat_at(server, ledger=purse, prices=PRICES, image_tokens=777), PICTURE)
    tokens = purse.reserved[0] * 1e6 - 10 * 10
    assert 777 < tokens < 777 + 200


@pytest.mark.parametrize(
    ("fault", "paid_in_full"),
    [
        (Fault.RATE_LIMIT, False),
        (Fault.SERVER_ERROR, False),
        (Reply(400, "{}"), False),
        (Fault.RESET, True),
        (Fault.HANG, True),
        (Fault.TRUNCATED, True),
        (Fault.HUGE, True),
    ],
)
def test_a_lost_call_counts_in_full_and_a_refused_one_not_at_all(fault: Fault | Reply, paid_in_full: bool) -> None:
    with ChatServer(faults=[fault]) as server:
        purse = Purse(100.0)
        flow = FlowSettings(max_attempts=1, attempt_timeout_s=0.3 if fault is Fault.HANG else 60.0)
        no_answer(chat_at(server, ledger=purse, prices=PRICES, flow=flow))
    assert purse.settled == {0: purse.reserved[0] if paid_in_full else 0.0}


def test_a_call_that_never_left_costs_nothing() -> None:
    purse = Purse(100.0)
    with socket.socket() as taken:  # nobody listens there, and nobody else can
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
        settings = ChatSettings(preset="vllm", model="tiny", base_url=url, flow=QUICK, prices=PRICES)
        error = no_answer(OpenAIChat(settings, ledger=purse))
    assert (error.kind.value, error.attempts) == ("transport", 3)
    assert purse.settled == {0: 0.0, 1: 0.0, 2: 0.0}


@pytest.mark.parametrize("parallel", [1, 64])
def test_a_budget_is_used_up_and_never_passed(parallel: int) -> None:
    with ChatServer(lambda body: "word " * 20, latency_s=0.002) as server:
        purse = Purse(0.02)
        flow = FlowSettings(max_concurrency=parallel, start_concurrency=parallel)
        chat = chat_at(server, ledger=purse, prices=PRICES, flow=flow)
        found = asyncio.run(_gather(chat, 200))
    assert 0 < sum(isinstance(one, list) for one in found) < 200
    assert {type(one) for one in found if not isinstance(one, list)} == {BudgetError}
    # what calls on their way give back is spent before the run ends
    assert 0.02 - max(purse.reserved) < purse.committed <= 0.02
    assert len(purse.settled) == len(purse.reserved) == len(server.calls)


def test_a_budget_needs_a_price() -> None:
    settings = ChatSettings(preset="vllm", model="tiny", prices={"other": PRICES["tiny"]})
    with pytest.raises(ConfigError, match=r"no 'tiny'"):
        OpenAIChat(settings, ledger=Purse(5.0))
    OpenAIChat(settings, ledger=Purse(None))


def test_a_count_of_tokens_that_makes_no_sense_counts_as_the_most_possible() -> None:
    body = {"choices": [{"message": {"content": "x"}, "finish_reason": "stop"}]}
    with ChatServer(
        faults=[Reply(200, json.dumps({**body, "usage": usage})) for usage in (None, {"prompt_tokens": -9}, [])]
    ) as server:
        purse = Purse(1.0)
        chat = chat_at(server, ledger=purse, prices=PRICES)
        for _ in range(3):
            answer(chat)
    assert purse.settled == dict(enumerate(purse.reserved))


def test_build_chat_makes_the_client(tmp_path: Any) -> None:
    with ChatServer() as server:
        settings = ChatSettings(preset="vllm", model="tiny", base_url=server.base_url, flow=QUICK)
        assert isinstance(build_chat(settings), OpenAIChat)
        cached = build_chat(settings, cache=tmp_path / "answers.sqlite")
        first, second = (run_all([cached.complete(request())])[0] for _ in range(2))
        assert first == second
        assert len(server.calls) == 1
