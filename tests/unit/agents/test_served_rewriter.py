from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from raqo.agents.prompts import ANY_CONCEPT, render_detect, render_rewrite
from raqo.agents.recot import challenging_concepts
from raqo.agents.served_rewriter import ServedRewriter, ServedRewriterSettings, context_of, served_rewriter
from raqo.errors import ConfigError, DataError
from raqo.protocols import ChatResult, NoAnswerError
from raqo.records import FailureKind
from raqo.testing import ScriptedChat, check_rewriter

TAUGHT = {
    render_detect("a dinghy here"): " dinghy",
    render_rewrite("a dinghy here", ANY_CONCEPT): " a boat here",
    render_rewrite("a dinghy here", ["dinghy"]): " a boat here\nQuery: and more",
    render_detect("a boat here"): " None",
    render_rewrite("a boat here", ANY_CONCEPT): " a boat here",
    render_detect("a fir on a hill"): " None",
    render_rewrite("a fir on a hill", ANY_CONCEPT): " a tree on a hill",
}


def answer(messages: Sequence[Mapping[str, Any]]) -> str:
    return TAUGHT.get(messages[0]["content"], "")


def test_keeps_the_promises_of_a_rewriter() -> None:
    check_rewriter(ServedRewriter(ScriptedChat(answer), "weights"))


def test_concepts_are_those_named_and_those_changed_in_a_draft() -> None:
    rewriter = ServedRewriter(ScriptedChat(answer), "weights")
    assert rewriter.fingerprint == "weights"
    found = rewriter.detect(["a dinghy here", "a boat here", "a fir on a hill", "never heard"])
    assert found == [("dinghy",), (), ("fir",), None]
    assert challenging_concepts("a fir by a dinghy", ["dinghy"], ["a tree by a boat"]) == ("fir", "dinghy")


def test_answers_are_read_up_to_the_line_break_and_there_is_one_at_most() -> None:
    rewriter = ServedRewriter(ScriptedChat(answer), "weights")
    assert rewriter.rewrite(["a dinghy here", "x"], [("dinghy",), ()], n=3) == [["a boat here"], []]


def test_requests_are_greedy_bounded_and_made_once() -> None:
    chat = ScriptedChat(answer)
    rewriter = ServedRewriter(chat, "weights", settings=ServedRewriterSettings(max_new_tokens=9))
    assert rewriter.detect([]) == []
    rewriter.detect(["a dinghy here"] * 5)
    assert len(chat.requests) == 2
    for request in chat.requests:
        assert (request.temperature, request.n, request.max_tokens, request.schema) == (0.0, 1, 9, None)
        (only,) = request.messages
        assert only["role"] == "user"
        assert only["content"] in TAUGHT


def test_a_query_without_an_answer_is_left_alone_and_counted() -> None:
    def failing(messages: Sequence[Mapping[str, Any]]) -> str:
        if "boat" in messages[0]["content"]:
            raise NoAnswerError(FailureKind.TIMEOUT, "too slow", attempts=4)
        return answer(messages)

    rewriter = ServedRewriter(ScriptedChat(failing), "weights")
    assert rewriter.detect(["a dinghy here", "a boat here"]) == [("dinghy",), None]
    assert rewriter.rewrite(["a boat here"], [("boat",)]) == [[]]
    assert [(failure.kind, failure.attempts) for failure in rewriter.failures] == [(FailureKind.TIMEOUT, 4)] * 3


def test_what_the_model_could_not_read_whole_is_dropped() -> None:
    def counted(messages: Sequence[Mapping[str, Any]]) -> ChatResult:
        return ChatResult("short", "stop", len(messages[0]["content"].split()), 1)

    limits = ServedRewriterSettings(max_new_tokens=10, context=20)
    rewriter = ServedRewriter(ScriptedChat(counted), "weights", settings=limits)
    words = len(render_rewrite("", ["x"]).split())
    assert rewriter.rewrite(["a " * (10 - words), "a " * (11 - words)], [("x",)] * 2) == [["short"], []]


def test_half_a_surrogate_pair_is_not_sent() -> None:
    chat = ScriptedChat(answer)
    ServedRewriter(chat, "weights").rewrite(["a \ud83d b"], [()])
    assert chat.requests[0].messages[0]["content"] == render_rewrite("a ? b", [])


def test_limits_and_fingerprint_come_from_the_model_folder(tmp_path: Path) -> None:
    from raqo.agents.rewriter import weights_hash

    with pytest.raises(DataError, match=r"config\.json cannot be read"):
        context_of(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"max_position_embeddings": 100_000}))
    assert context_of(tmp_path) == 4096
    (tmp_path / "config.json").write_text(json.dumps({"max_position_embeddings": 160}))
    assert context_of(tmp_path) == 160
    with pytest.raises(DataError, match=r"no \*\.safetensors"):
        served_rewriter(ScriptedChat(answer), tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    assert served_rewriter(ScriptedChat(answer), tmp_path).fingerprint == weights_hash(tmp_path)
    with pytest.raises(ConfigError, match="max_new_tokens 64"):
        ServedRewriterSettings(context=64)
