from __future__ import annotations

import asyncio
import base64
import io
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from raqo.agents.captioner import Captioner, CaptionerSettings
from raqo.errors import ConfigError, DataError
from raqo.protocols import ChatRequest, ChatResult, NoAnswerError
from raqo.records import Cost, Failure, FailureKind
from raqo.testing import ScriptedChat

COLOURS = ("red", "green", "blue")


@pytest.fixture
def pictures(tmp_path: Path) -> list[str]:
    paths = [tmp_path / f"a {colour} secret name.png" for colour in COLOURS]
    for path, colour in zip(paths, COLOURS, strict=True):
        Image.new("RGB", (60, 30), colour).save(path)
    return [str(path) for path in paths]


class SeeingChat:
    """Names the colour it is shown; the first picture takes longest, and none is shown before `together` are asked."""

    model, reads_images = "seeing", True

    def __init__(self, together: int = 1) -> None:
        self.now = self.most = 0
        self._together, self._full = together, asyncio.Event()

    async def complete(self, request: ChatRequest) -> list[ChatResult]:
        self.now += 1
        self.most = max(self.most, self.now)
        if self.most >= self._together:
            self._full.set()
        await self._full.wait()
        (part,) = request.messages[1]["content"]
        with Image.open(io.BytesIO(base64.b64decode(part["image_url"]["url"].split(",")[1]))) as picture:
            pixel: Any = picture.convert("RGB").getpixel((0, 0))
        colour = COLOURS[max(range(3), key=lambda channel: pixel[channel])]
        await asyncio.sleep(0.02 if colour == "red" else 0.001)
        self.now -= 1
        return [ChatResult(json.dumps({"caption": f"a {colour}\n plane\x07 "}), "stop", 3, 4)]


def test_captions_are_one_line_each_in_the_order_given(pictures: list[str]) -> None:
    found = Captioner(SeeingChat()).caption([*pictures, pictures[0]])
    assert [one.answer for one in found] == ["a red plane", "a green plane", "a blue plane", "a red plane"]
    assert [one.cost for one in found] == [Cost(chat_calls=1, prompt_tokens=3, completion_tokens=4)] * 4
    assert Captioner(SeeingChat()).caption([]) == []


def test_few_pictures_are_held_at_once(pictures: list[str]) -> None:
    chat = SeeingChat(together=2)
    Captioner(chat, settings=CaptionerSettings(at_once=2)).caption(pictures * 5)
    assert chat.most == 2


def test_the_model_sees_the_picture_and_not_its_name(pictures: list[str]) -> None:
    chat = ScriptedChat(['{"caption": "a plane"}'])
    captioner = Captioner(chat, settings=CaptionerSettings(max_side=20, max_tokens=9, seed=4, temperature=0.5))
    captioner.caption(pictures[:1])
    (request,) = chat.requests
    assert "secret" not in json.dumps(request.messages)
    assert (request.max_tokens, request.seed, request.temperature) == (9, 4, 0.5)
    (part,) = request.messages[1]["content"]
    head, data = part["image_url"]["url"].split(",")
    assert head == "data:image/jpeg;base64"
    with Image.open(io.BytesIO(base64.b64decode(data))) as picture:
        assert picture.size == (20, 10)
    assert len(captioner.prompt_hash) == 16


def test_failures_are_typed_and_cost_the_others_nothing(pictures: list[str], tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"not a picture")
    answers = [NoAnswerError(FailureKind.RATE_LIMIT, "slow down", attempts=3)]
    chat = ScriptedChat(lambda messages: '{"caption": " \\u200b "}')
    unreadable, empty = Captioner(chat).caption([str(broken), pictures[0]])
    assert isinstance(unreadable.answer, Failure)
    assert unreadable.answer.kind is FailureKind.TRANSPORT
    assert unreadable.cost == Cost()
    assert empty.answer == Failure(FailureKind.EMPTY, "the caption is empty", 0)
    assert empty.cost.chat_calls == 1
    (limited,) = Captioner(ScriptedChat(answers)).caption(pictures[:1])
    assert limited.answer == Failure(FailureKind.RATE_LIMIT, "slow down", 0, 3)
    with pytest.raises(DataError):
        Captioner(chat).messages(str(tmp_path / "none.png"))


def test_a_model_without_eyes_is_refused_at_once() -> None:
    with pytest.raises(ConfigError, match="'scripted' reads no images; give a multimodal model"):
        Captioner(ScriptedChat([], reads_images=False))
