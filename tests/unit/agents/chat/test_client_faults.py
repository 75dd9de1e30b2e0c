from __future__ import annotations

import asyncio
import json
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from types import SimpleNamespace

import pytest
from chat_setup import answer, chat_at, no_answer, request

from raqo.agents.chat import client
from raqo.agents.chat.event_loop import chat_loop, run_all
from raqo.agents.chat.settings import FlowSettings
from raqo.protocols import ChatResult, NoAnswerError
from raqo.records import FailureKind
from raqo.testing_server import FAULT_TEXT, ChatServer, Fault, Reply, random_faults

SLOW = (Fault.HANG, Fault.SLOW)
RETRIED = {
    Fault.RATE_LIMIT: FailureKind.RATE_LIMIT,
    Fault.SERVER_ERROR: FailureKind.SERVER,
    Fault.UNAVAILABLE: FailureKind.SERVER,
    Fault.RESET: FailureKind.TRANSPORT,
    Fault.HANG: FailureKind.TIMEOUT,
    Fault.SLOW: FailureKind.TIMEOUT,
    Fault.TRUNCATED: FailureKind.TRANSPORT,
    Fault.HUGE: FailureKind.TRANSPORT,
}


def _flow(fault: Fault, *, max_attempts: int) -> FlowSettings:
    return FlowSettings(max_attempts=max_attempts, attempt_timeout_s=0.3 if fault in SLOW else 60.0, max_wait_s=0.01)


@pytest.mark.parametrize("fault", RETRIED)
def test_a_call_is_made_again_until_it_succeeds(fault: Fault) -> None:
    with ChatServer(lambda body: "fine", faults=[fault, fault], slow_s=60.0) as server:
        chat = chat_at(server, flow=_flow(fault, max_attempts=50))
        assert answer(chat)[0].text == "fine"
    # a loaded machine may take a good answer for a late one, too
    assert chat.usage.attempts >= 3 if fault in SLOW else chat.usage.attempts == len(server.calls) == 3
    assert all(call.body == server.calls[0].body for call in server.calls)


@pytest.mark.parametrize("fault", RETRIED)
def test_after_the_last_attempt_there_is_a_typed_failure(fault: Fault) -> None:
    with ChatServer(faults=[fault] * 3, slow_s=60.0) as server:
        error = no_answer(chat_at(server, flow=_flow(fault, max_attempts=3)))
    assert (error.kind, error.attempts) == (RETRIED[fault], 3)
    assert len(server.calls) <= 3 if fault in SLOW else len(server.calls) == 3
    assert len(str(error)) <= 600


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_request_that_the_server_rejects_is_not_repeated_and_stops_nothing(status: int) -> None:
    said = json.dumps({"error": {"message": "too long:\n" + "x" * 5000}})
    with ChatServer(lambda body: "fine", faults=[Reply(status, said)]) as server:
        chat = chat_at(server)
        error = no_answer(chat)
        assert answer(chat)[0].text == "fine"
    assert (error.kind, error.attempts) == (FailureKind.SERVER, 1)
    assert str(error).startswith(f"{status}: too long: xxx")
    assert len(str(error)) <= 500


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"<html>busy</html>",
        b"\xff\xfe",
        b'{"choices": []}',
        b'{"choices": null}',
        b'{"choices": [{"message": null}]}',
        b'{"choices": [{"message": {"content": {"a": 1}}}]}',
        b'{"choices": [{"text": "of another API"}]}',
        b"[" * 200_000,
    ],
)
def test_a_body_of_any_other_form_is_a_broken_transport(body: bytes) -> None:
    with ChatServer(lambda body: "fine", faults=[Reply(200, body)]) as server:
        chat = chat_at(server)
        assert answer(chat)[0].text == "fine"
        assert chat.usage.attempts == 2


def test_a_huge_error_page_is_not_read_either() -> None:
    with ChatServer(faults=[Reply(500, b"x" * 10_000_000)] * 3) as server:
        error = no_answer(chat_at(server))
    assert error.kind is FailureKind.TRANSPORT
    assert "was not read" in str(error)


def test_a_refusal_is_a_finish_reason_and_not_a_text() -> None:
    with ChatServer(faults=[Fault.REFUSAL]) as server:
        (result,) = answer(chat_at(server))
    assert (result.text, result.finish_reason) == ("", "refusal")


@pytest.mark.parametrize("fault", [Fault.EMPTY, Fault.WRONG_SCHEMA])
def test_what_the_model_wrote_is_passed_on_for_the_asker_to_judge(fault: Fault) -> None:
    with ChatServer(faults=[fault]) as server:
        chat = chat_at(server)
        (result,) = answer(chat)
    assert result.text == ("" if fault is Fault.EMPTY else json.dumps({"unexpected": FAULT_TEXT}))
    assert chat.usage.attempts == 1


def test_half_a_surrogate_pair_does_not_reach_the_data() -> None:
    body = b'{"choices": [{"message": {"content": "a\\ud83d"}, "finish_reason": "length"}]}'
    with ChatServer(faults=[Reply(200, body), None]) as server:
        chat = chat_at(server)
        (result,) = answer(chat)
        assert (result.text, result.finish_reason) == ("a?", "length")
        answer(chat, request("sent: \ud83d"))


@pytest.mark.parametrize("as_date", [False, True])
def test_retry_after_is_obeyed(as_date: bool) -> None:
    later = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=3)
    retry_after = format_datetime(later, usegmt=True) if as_date else "1"
    with ChatServer(faults=[Fault.RATE_LIMIT], retry_after=retry_after) as server:
        started = time.monotonic()
        answer(chat_at(server, flow=FlowSettings()))
    if as_date:
        assert datetime.now(UTC) >= later - timedelta(seconds=0.1)  # a wall clock may be set a little meanwhile
    else:
        assert time.monotonic() - started >= 1.0


def test_retry_after_is_obeyed_up_to_a_limit_only() -> None:
    with ChatServer(faults=[Fault.RATE_LIMIT], retry_after="3600") as server:
        started = time.monotonic()
        answer(chat_at(server, flow=FlowSettings(max_wait_s=0.2)))  # an hour would pass the deadline
    assert time.monotonic() - started >= 0.2
    assert len(server.calls) == 2


def test_the_deadline_ends_the_attempts() -> None:
    flow = FlowSettings(max_attempts=50, attempt_timeout_s=0.2, deadline_s=0.5, max_wait_s=0.01)
    with ChatServer(faults=[Fault.HANG] * 50) as server:
        error = no_answer(chat_at(server, flow=flow))
    assert error.kind is FailureKind.TIMEOUT
    assert len(server.calls) <= error.attempts <= 3


def test_waiting_for_a_turn_is_no_part_of_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every attempt takes 50 seconds of a clock that leaps, so that a machine may stand still without passing it."""
    leaps, real = [0.0], time.monotonic

    def clock() -> float:
        return real() + leaps[0]

    def slow_twice_in_vain(_: object, times: int) -> Fault | None:
        leaps[0] += 50.0
        return Fault.SERVER_ERROR if times < 2 else None

    monkeypatch.setattr(client, "time", SimpleNamespace(monotonic=clock))
    monkeypatch.setattr(chat_loop(), "time", clock)
    flow = FlowSettings(max_concurrency=1, attempt_timeout_s=250.0, deadline_s=250.0, max_wait_s=0.01)
    with ChatServer(faults=slow_twice_in_vain) as server:
        chat = chat_at(server, flow=flow)
        assert len(run_all(chat.complete(request(str(number))) for number in range(10))) == 10
    assert leaps == [10 * 3 * 50.0]


def test_one_slow_call_does_not_hold_up_the_others() -> None:
    async def all_but_one() -> bool:
        waiting = {asyncio.create_task(chat.complete(request(str(number)))) for number in range(30)}
        while len(waiting) > 1:
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            assert all(task.result() for task in done)
        slow = waiting.pop()
        return slow.cancel()

    with ChatServer(faults=[Fault.SLOW], slow_s=3600.0) as server:
        chat = chat_at(server, flow=FlowSettings(max_concurrency=4, max_attempts=1))
        assert asyncio.run(all_but_one())


def test_more_calls_than_the_server_has_room_for_all_get_through() -> None:
    flow = FlowSettings(max_concurrency=64, start_concurrency=16, max_attempts=100, max_wait_s=0.2)
    with ChatServer(room=4, retry_after="0", hold=lambda _: len(server.calls) < 16) as server:
        chat = chat_at(server, flow=flow)
        assert len(run_all(chat.complete(request(str(number))) for number in range(80))) == 80
    assert server.peak == 4
    assert len(server.calls) > 80


def test_a_third_of_random_faults_changes_no_answer_and_hides_no_failure() -> None:
    transport = tuple(RETRIED)
    flow = FlowSettings(max_attempts=6, attempt_timeout_s=1.5, max_wait_s=0.01)
    names = [f"query {number}" for number in range(60)]
    with ChatServer(faults=random_faults(0.3, kinds=transport), slow_s=60.0, latency_s=0.002) as server:
        chat = chat_at(server, flow=flow)

        async def one(name: str) -> ChatResult | NoAnswerError:
            try:
                return (await chat.complete(request(name)))[0]
            except NoAnswerError as error:
                return error

        found = run_all(one(name) for name in names)
    assert {call.played for call in server.calls} > {None, Fault.RESET, Fault.TRUNCATED}
    for name, result in zip(names, found, strict=True):
        played = [call.played for call in server.calls if call.body["messages"][0]["content"] == name]
        if isinstance(result, ChatResult):
            assert json.loads(result.text)["echo"] == name
            assert played[-1] is None
        else:
            assert result.kind in (RETRIED.get(played[-1]), FailureKind.TIMEOUT)
            assert len(played) <= result.attempts == 6
