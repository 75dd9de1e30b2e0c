"""Asking a chat model for JSON: once, and once more with the complaint where the answer cannot be read."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic

from pydantic import BaseModel

from raqo.agents.parsing import Answer, AnswerError, parse_answer
from raqo.protocols import Chat, ChatRequest, ChatResult, NoAnswerError
from raqo.records import Cost, Failure, FailureKind
from raqo.retrievers.encodable import encodable

_REFUSALS = ("content_filter", "refusal")
# of an answer or a message, so much is repeated to the model or written down
_QUOTED_CHARACTERS = 2000


@dataclass(frozen=True, slots=True)
class Asked(Generic[Answer]):
    """An answer, or why there is none, and what it took."""

    answer: Answer | Failure
    cost: Cost


def quoted(**fields: object) -> str:
    """Untrusted texts as one JSON object: whatever they say, they stay values of named fields."""
    return encodable(json.dumps(fields, ensure_ascii=False))


async def ask(
    chat: Chat,
    messages: Sequence[Mapping[str, Any]],
    form: type[Answer],
    *,
    temperature: float,
    seed: int,
    max_tokens: int = 1024,
    round_: int = 0,
) -> Asked[Answer]:
    """Ask for an answer of a given form; a second time, with the complaint, if the first cannot be read."""
    conversation = tuple(messages)
    results: list[ChatResult] = []
    for _ in range(2):
        request = ChatRequest(
            messages=conversation,
            temperature=temperature,
            seed=seed,
            max_tokens=max_tokens,
            schema=_schema(form),
        )
        try:
            (result,) = await chat.complete(request)
        except NoAnswerError as error:
            return Asked(Failure(error.kind, _short(str(error)), round_, error.attempts), _cost(results))
        results.append(result)
        try:
            return Asked(_read(result, form), _cost(results))
        except AnswerError as error:
            failure = Failure(error.kind, _short(str(error)), round_, len(results))
        if failure.kind is FailureKind.REFUSED:
            break
        conversation = (
            *conversation,
            {"role": "assistant", "content": _short(result.text)},
            {"role": "user", "content": f"That cannot be used: {failure.message}. Answer with the JSON object only."},
        )
    return Asked(failure, _cost(results))


@functools.cache
def _schema(form: type[BaseModel]) -> dict[str, Any]:
    return form.model_json_schema()


def _read(result: ChatResult, form: type[Answer]) -> Answer:
    if result.finish_reason in _REFUSALS:
        raise AnswerError(FailureKind.REFUSED, f"the model stopped with {result.finish_reason}")
    return parse_answer(result.text, form)


def _cost(results: Sequence[ChatResult]) -> Cost:
    return Cost(
        chat_calls=len(results),
        prompt_tokens=sum(result.prompt_tokens for result in results),
        completion_tokens=sum(result.completion_tokens for result in results),
    )


def _short(text: str) -> str:
    return text if len(text) <= _QUOTED_CHARACTERS else f"{text[:_QUOTED_CHARACTERS]}…"
