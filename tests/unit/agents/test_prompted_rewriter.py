from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from raqo.agents.prompted_rewriter import PromptedRewriter, PromptedRewriterSettings
from raqo.graphs.rewriting import rewrite_queries
from raqo.protocols import ChatResult, NoAnswerError, Rewriter
from raqo.records import Failure, FailureKind, KeptReason, Query
from raqo.testing import BLIND_SPOT, ScriptedChat, ToyRetriever, check_rewriter, toy_dataset


def knows_the_words(messages: Sequence[Mapping[str, Any]]) -> str:
    """A model that detects and replaces the words of `BLIND_SPOT`."""
    asked = json.loads(messages[1]["content"])
    words = asked["query"].split()
    if "rewrites_wanted" not in asked:
        return json.dumps({"concepts": [word for word in words if word in BLIND_SPOT]})
    rewrite = " ".join(BLIND_SPOT.get(word, word) if word in asked["concepts"] else word for word in words)
    variants = [rewrite, f"{rewrite} ", f"the {rewrite}", f"one {rewrite}"]
    return json.dumps({"rewrites": variants[: asked["rewrites_wanted"] + 1]})


def test_it_keeps_the_promises_of_a_rewriter() -> None:
    rewriter: Rewriter = PromptedRewriter(ScriptedChat(knows_the_words))
    check_rewriter(rewriter)


def test_detect_then_rewrite() -> None:
    chat = ScriptedChat(knows_the_words)
    rewriter = PromptedRewriter(chat, settings=PromptedRewriterSettings(max_tokens=77, seed=5))
    texts = ["a crimson  dinghy", "a red boat", " ", "a crimson  dinghy"]
    concepts = rewriter.detect(texts)
    assert concepts == [("crimson", "dinghy"), (), (), ("crimson", "dinghy")]
    assert len(chat.requests) == 2
    rewrites = rewriter.rewrite(texts, concepts, n=2)
    assert rewrites == [["a red boat", "the a red boat"], ["a red boat", "the a red boat"], [], rewrites[0]]
    assert len(chat.requests) == 4
    assert {(request.temperature, request.max_tokens, request.seed) for request in chat.requests} == {(0.0, 77, 5)}
    asked = [json.loads(request.messages[1]["content"]) for request in chat.requests]
    assert asked[0] == {"query": "a crimson dinghy"}
    assert asked[2] == {"query": "a crimson dinghy", "concepts": ["crimson", "dinghy"], "rewrites_wanted": 2}
    schemas = [request.schema for request in chat.requests]
    assert [list(schema["properties"]) for schema in schemas if schema] == [["concepts"]] * 2 + [["rewrites"]] * 2
    assert rewriter.failures == []


@pytest.mark.parametrize(
    ("named", "kept"),
    [
        (["dinghy"], ("dinghy",)),
        (["DINGHY", "dinghy"], ("Dinghy", "dinghy")),
        (["crimson  Dinghy"], ("crimson Dinghy",)),
        (["ding", "rimson", "boat", "", " ", "dinghy!"], ()),
        (["at night, dinghy"], ()),
        (["café", "c++"], ("café", "c++")),
    ],
)
def test_concepts_stand_in_the_query_as_whole_words(named: list[str], kept: tuple[str, ...]) -> None:
    text = "a crimson Dinghy at night by the café of c++"
    (found,) = PromptedRewriter(ScriptedChat([json.dumps({"concepts": named})])).detect([text])
    assert [concept.casefold() for concept in found] == list(dict.fromkeys(one.casefold() for one in kept))
    assert all(concept in text for concept in found)


def test_rewrites_are_distinct_plain_lines() -> None:
    raw = ["a boat\n at sea", "a boat at\u00a0sea", "\x1b[2Ja \u202etaob", "", "\u200b", "and one too many", "more"]
    (found,) = PromptedRewriter(ScriptedChat([json.dumps({"rewrites": raw})])).rewrite(["a dinghy"], [()], n=3)
    assert found == ["a boat at sea", "[2Ja taob", "and one too many"]


def test_failures_give_nothing_and_are_counted() -> None:
    answers = [
        NoAnswerError(FailureKind.TIMEOUT, "too late", attempts=4),
        "no JSON",
        "still none",
        ChatResult("I cannot", "refusal", 1, 1),
        "",
        "",
    ]
    rewriter = PromptedRewriter(ScriptedChat(answers))
    for _ in range(2):
        assert rewriter.detect(["a dinghy"]) == [None]
    assert rewriter.rewrite(["a dinghy"], [("dinghy",)]) == [[]]
    assert rewriter.rewrite(["a dinghy"], [("dinghy",)]) == [[]]
    kinds = [FailureKind.TIMEOUT, FailureKind.UNPARSABLE, FailureKind.REFUSED, FailureKind.EMPTY]
    assert [failure.kind for failure in rewriter.failures] == kinds
    assert rewriter.failures[0] == Failure(FailureKind.TIMEOUT, "too late", 0, 4)


def test_the_fingerprint_knows_model_and_settings() -> None:
    chats = [ScriptedChat([], model=name) for name in ("a", "b")]
    found = [PromptedRewriter(chat).fingerprint for chat in chats]
    warm = PromptedRewriter(chats[0], settings=PromptedRewriterSettings(temperature=0.5)).fingerprint
    assert len({*found, warm}) == 3
    assert PromptedRewriter(chats[0]).fingerprint == found[0]


def test_it_serves_the_rewriting_graph() -> None:
    dataset = toy_dataset()
    queries = [Query("hard", "a emerald dinghy by the sea"), Query("easy", "a red boat by the sea")]
    retriever, rewriter = ToyRetriever(dataset.documents), PromptedRewriter(ScriptedChat(knows_the_words))
    hard, easy = rewrite_queries(queries, retriever=retriever, rewriter=rewriter)
    assert (hard.final_text, hard.kept) == ("a green boat by the sea", KeptReason.NONE)
    assert hard.after.hits[0].doc_id == "boat-green-0"
    assert easy.kept is KeptReason.NO_CONCEPT
