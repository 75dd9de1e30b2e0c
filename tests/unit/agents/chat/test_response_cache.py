from __future__ import annotations

import asyncio
import base64
import dataclasses
import json
import logging
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from raqo.agents.chat.response_cache import CachedChat, prune
from raqo.agents.perturber import ChatPerturber
from raqo.errors import DataError, RunFolderError, StoppedError
from raqo.protocols import Chat, ChatRequest, ChatResult, NoAnswerError
from raqo.records import FailureKind
from raqo.testing import ScriptedChat

USER = {"role": "user", "content": "hello"}
HELLO = ChatRequest(messages=(USER,))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "answers.sqlite"


def ask_all(chat: CachedChat, requests: Sequence[ChatRequest]) -> list[list[ChatResult] | BaseException]:
    async def all_of_them() -> list[list[ChatResult] | BaseException]:
        return await asyncio.gather(*map(chat.complete, requests), return_exceptions=True)

    return asyncio.run(all_of_them())


def ask_one(chat: CachedChat, request: ChatRequest = HELLO) -> list[ChatResult] | BaseException:
    return ask_all(chat, [request])[0]


def test_an_answer_is_paid_for_once_and_survives_the_process(path: Path) -> None:
    inner = ScriptedChat(["one", ChatResult("two \ud800 \x00", "stop", 0, 7)])
    chat = CachedChat(inner, path)
    request = dataclasses.replace(HELLO, n=2, temperature=0.7)
    first = ask_one(chat, request)
    assert first == ask_one(chat, request)
    assert (chat.hits, chat.misses, len(inner.requests)) == (1, 1, 1)
    chat.close()
    assert ask_one(CachedChat(ScriptedChat([]), path), request) == first


CHANGES: list[dict[str, Any]] = [
    {"messages": ({"role": "user", "content": "hello "},)},
    {"messages": ({"role": "system", "content": "hello"},)},
    {"messages": ({"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:A"}}]},)},
    {"messages": ({"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:B"}}]},)},
    {"n": 2},
    {"temperature": 0.5},
    {"seed": 1},
    {"max_tokens": 5},
    {"schema": {"type": "object"}},
]


def test_whatever_a_request_says_belongs_to_the_key(path: Path) -> None:
    requests = [HELLO, *(dataclasses.replace(HELLO, **change) for change in CHANGES)]
    assert {field.name for field in dataclasses.fields(ChatRequest)} == {name for change in CHANGES for name in change}
    answers = iter(range(100))
    chat = CachedChat(ScriptedChat(lambda _: f'{{"answer": {next(answers)}}}'), path)
    found = [ask_one(chat, request) for request in requests]
    assert chat.misses == len(requests)
    assert len({str(one) for one in found}) == len(requests)
    assert [ask_one(chat, request) for request in requests] == found


@pytest.mark.parametrize("other", [{"salt": "gallery 2"}, {"model": "another"}])
def test_another_model_or_salt_is_another_question(path: Path, other: dict[str, str]) -> None:
    asked = {"salt": "gallery 1", "model": "scripted"} | other
    assert ask_one(CachedChat(ScriptedChat(["old"]), path, salt="gallery 1")) == [ChatResult("old", "stop", 1, 1)]
    chat = CachedChat(ScriptedChat(["new"], model=asked["model"]), path, salt=asked["salt"])
    assert ask_one(chat) == [ChatResult("new", "stop", 1, 1)]


class SlowChat:
    """Answers when told to."""

    model, reads_images = "slow", True

    def __init__(self, answer: str | Exception = "hi") -> None:
        self.go = asyncio.Event()
        self.calls = 0
        self.answer = answer

    async def complete(self, request: ChatRequest) -> list[ChatResult]:
        self.calls += 1
        await self.go.wait()
        if isinstance(self.answer, Exception):
            raise self.answer
        return [ChatResult(self.answer, "stop", 1, 1)]


def test_equal_requests_on_their_way_are_asked_once(path: Path) -> None:
    async def run() -> None:
        inner = SlowChat()
        chat = CachedChat(inner, path)
        waiting = [asyncio.create_task(chat.complete(HELLO)) for _ in range(20)]
        await asyncio.sleep(0)
        waiting[0].cancel()  # the first to ask goes away; the others still get the answer
        await asyncio.sleep(0)
        inner.go.set()
        assert await asyncio.gather(*waiting[1:]) == [[ChatResult("hi", "stop", 1, 1)]] * 19
        assert (inner.calls, chat.misses, chat.hits) == (1, 1, 19)

    asyncio.run(run())


def test_an_answer_nobody_waits_for_any_more_is_kept(path: Path) -> None:
    async def run() -> None:
        inner = SlowChat()
        chat = CachedChat(inner, path)
        waiting = asyncio.create_task(chat.complete(HELLO))
        await asyncio.sleep(0)
        waiting.cancel()
        inner.go.set()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await asyncio.sleep(0.01)
        assert await chat.complete(HELLO) == [ChatResult("hi", "stop", 1, 1)]
        assert inner.calls == 1

    asyncio.run(run())


def test_a_failure_reaches_everybody_and_the_next_one_asks_again(path: Path) -> None:
    async def run() -> None:
        inner = SlowChat(NoAnswerError(FailureKind.TIMEOUT, "late"))
        chat = CachedChat(inner, path)
        inner.go.set()
        found = await asyncio.gather(*(chat.complete(HELLO) for _ in range(5)), return_exceptions=True)
        assert [str(one) for one in found] == ["late"] * 5
        inner.answer = "hi"
        assert await chat.complete(HELLO) == [ChatResult("hi", "stop", 1, 1)]
        assert (inner.calls, chat.hits) == (2, 0)

    asyncio.run(run())


FORM = {"type": "object", "required": ["variants"], "properties": {"variants": {"type": "array"}}}
BAD: list[tuple[str | ChatResult | Exception, dict[str, Any] | None]] = [
    (NoAnswerError(FailureKind.SERVER, "500"), None),
    (StoppedError("stopped"), None),
    ("", None),
    ("  \n ", None),
    (ChatResult("I cannot", "content_filter", 1, 1), None),
    (ChatResult("I cannot", "refusal", 1, 1), None),
    (ChatResult('{"variants": []}', "length", 1, 1), FORM),
    ("no JSON at all", FORM),
    ('{"variants": [{"text": "cut off"}, {"te', FORM),
    ('{"error": "overloaded"}', FORM),
]


@pytest.mark.parametrize(("answer", "schema"), BAD)
def test_failures_are_never_kept(path: Path, answer: str | Exception, schema: dict[str, Any] | None) -> None:
    request = dataclasses.replace(HELLO, schema=schema)
    chat = CachedChat(ScriptedChat([answer, '{"variants": [1]}']), path)
    ask_one(chat, request)
    good = ask_one(chat, request)
    assert isinstance(good, list)
    assert good[0].text == '{"variants": [1]}'
    assert (chat.misses, chat.hits) == (2, 0)
    assert ask_one(chat, request) == good
    assert chat.hits == 1


def test_one_bad_sample_of_several_keeps_none(path: Path) -> None:
    request = dataclasses.replace(HELLO, n=2)
    chat = CachedChat(ScriptedChat(["good", "", "good", "fine"]), path)
    ask_one(chat, request)
    assert [result.text for result in ask_one(chat, request)] == ["good", "fine"]  # type: ignore[union-attr]


def test_agents_work_through_it_as_without(path: Path) -> None:
    answer = json.dumps({"variants": [{"text": "a dinghy", "concepts": ["dinghy"]}]})
    inner = ScriptedChat(["nonsense", answer])
    chat: Chat = CachedChat(inner, path)
    assert (chat.model, chat.reads_images) == ("scripted", True)
    first = ChatPerturber(chat).perturb(["a boat"])
    # the second try had the complaint in it: the first answer was not kept, so both are needed once more
    second = ChatPerturber(CachedChat(ScriptedChat([answer]), path)).perturb(["a boat"])
    assert second[0].answer == first[0].answer
    third = ChatPerturber(CachedChat(ScriptedChat([]), path)).perturb(["a boat"])
    assert third == second


@pytest.mark.parametrize("broken", ["not json", "[]", "[[1, 2]]", '[["a", "stop", 1]]', '[[1, "stop", 1, 1]]', "null"])
def test_a_corrupt_row_is_a_miss_and_is_mended(path: Path, broken: str, caplog: pytest.LogCaptureFixture) -> None:
    chat = CachedChat(ScriptedChat(["old", "new"]), path)
    ask_one(chat)
    with sqlite3.connect(path) as rows:
        rows.execute("UPDATE answers SET results = ?", (broken,))
    with caplog.at_level(logging.WARNING):
        new = ask_one(chat)
        assert new == ask_one(chat)
    assert [str(record.levelname) for record in caplog.records] == ["WARNING"]
    assert (chat.misses, chat.hits) == (2, 1)


def test_a_file_damaged_in_use_costs_answers_and_not_the_run(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    requests = [dataclasses.replace(HELLO, seed=seed) for seed in range(200)]
    before = CachedChat(ScriptedChat(lambda _: "word " * 200), path)
    ask_all(before, requests)
    before.close()
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(random.Random(0).randbytes(size - 4096))
    with caplog.at_level(logging.WARNING):
        after = CachedChat(ScriptedChat(lambda _: "again"), path)
        found = ask_all(after, requests)
    assert found == [[ChatResult("again", "stop", 1, 1)]] * 200
    assert len(caplog.records) == 1
    assert str(path) in caplog.text


def test_a_file_of_another_kind_is_refused_and_left_alone(path: Path, tmp_path: Path) -> None:
    path.parent.mkdir()
    path.write_text("this is my thesis\n" * 1000)
    with pytest.raises(DataError, match=r"answers\.sqlite: expected an answer cache"):
        CachedChat(ScriptedChat([]), path)
    with pytest.raises(DataError):
        prune(path, older_than_s=None)
    assert path.read_text() == "this is my thesis\n" * 1000
    mine = tmp_path / "mine.sqlite"
    with sqlite3.connect(mine) as rows:
        rows.execute("CREATE TABLE answers (question TEXT)")
    content = mine.read_bytes()
    with pytest.raises(DataError, match="another kind of file"):
        CachedChat(ScriptedChat([]), mine)
    assert mine.read_bytes() == content
    with pytest.raises(RunFolderError, match="cannot be opened"):
        CachedChat(ScriptedChat([]), tmp_path)


def test_prune_removes_what_is_old_and_gives_the_room_back(path: Path) -> None:
    requests = [dataclasses.replace(HELLO, seed=seed) for seed in range(50)]
    chat = CachedChat(ScriptedChat(lambda _: "x" * 10_000), path)
    ask_all(chat, requests)
    with sqlite3.connect(path) as rows:
        old = "UPDATE answers SET time = ? WHERE key IN (SELECT key FROM answers LIMIT 30)"
        rows.execute(old, (time.time() - 1000,))
    rows.close()
    chat.close()
    size = path.stat().st_size
    assert prune(path, older_than_s=2000) == 0
    assert prune(path, older_than_s=500) == 30
    assert path.stat().st_size < 0.6 * size
    assert prune(path, older_than_s=None) == 20
    assert prune(path, older_than_s=None) == 0
    assert prune(path.with_name("none.sqlite"), older_than_s=None) == 0
    assert not path.with_name("none.sqlite").exists()


def test_stop_reaches_the_model() -> None:
    class Stoppable(ScriptedChat):
        stopped = 0

        def stop(self) -> None:
            self.stopped += 1

    inner = Stoppable([])
    CachedChat(inner, ":memory:").stop()
    CachedChat(ScriptedChat([]), ":memory:").stop()
    assert inner.stopped == 1


WRITER = """
import asyncio, sys
from raqo.agents.chat.response_cache import CachedChat
from raqo.protocols import ChatRequest
from raqo.testing import ScriptedChat

path, first, last = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
chat = CachedChat(ScriptedChat(lambda messages: "answer to " + messages[0]["content"]), path)

async def main():
    for number in range(first, last):
        await chat.complete(ChatRequest(messages=({"role": "user", "content": str(number)},)))
        print(number, flush=True)

asyncio.run(main())
"""


def start(path: Path, first: int, last: int) -> subprocess.Popen[bytes]:
    arguments = [sys.executable, "-c", WRITER, str(path), str(first), str(last)]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE)


def kept(path: Path, numbers: range) -> int:
    chat = CachedChat(ScriptedChat(lambda _: "unknown"), path)
    requests = [ChatRequest(messages=({"role": "user", "content": str(number)},)) for number in numbers]
    found = ask_all(chat, requests)
    for number, results in zip(numbers, found, strict=True):
        assert isinstance(results, list)
        assert results[0].text in ("unknown", f"answer to {number}")
    chat.close()
    return chat.hits


def test_two_processes_share_a_new_file(path: Path) -> None:
    processes = [start(path, 0, 300), start(path, 200, 500)]
    for process in processes:
        process.communicate()
    assert [process.returncode for process in processes] == [0, 0]
    assert kept(path, range(500)) == 500


def test_what_was_answered_before_kill_9_is_kept(path: Path) -> None:
    done = 0
    for lines in (1, 40, 90):
        with start(path, done, 1_000_000) as process:  # more than it can do before it is killed
            assert process.stdout is not None
            for _ in range(lines):
                process.stdout.readline()
            os.kill(process.pid, signal.SIGKILL)
            done += lines + len([line for line in process.stdout.read().split(b"\n") if line])
        assert kept(path, range(done)) == done


def test_pictures_are_not_kept(path: Path) -> None:
    picture = "data:image/jpeg;base64," + base64.b64encode(os.urandom(40_000)).decode()
    content = [{"type": "image_url", "image_url": {"url": picture}} for _ in range(6)]
    requests = [ChatRequest(messages=({"role": "user", "content": content},), seed=seed) for seed in range(50)]
    chat = CachedChat(ScriptedChat(lambda _: "answer"), path)
    ask_all(chat, requests)
    chat.close()
    assert path.stat().st_size < len(picture)
    again = CachedChat(ScriptedChat([]), path)
    ask_all(again, requests)
    assert (again.hits, again.misses) == (50, 0)
