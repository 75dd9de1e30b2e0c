"""Asking a chat model for JSON: once, and once more with the complaint where the answer cannot be read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic

from raqo.agents.parsing import Answer, AnswerError, parse_answer
from raqo.protocols import Chat, ChatResult
from raqo.records import Cost, Failure, FailureKind

_REFUSALS = ("content_filter", "refusal")


@dataclass(frozen=True, slots=True)
class Asked(Generic[Answer]):
    """An answer, or why there is none, and what it took."""

    answer: Answer | Failure
    cost: Cost


def quoted(**fields: object) -> str:
    """Untrusted texts as one JSON object: whatever they say, they stay values of named fields."""
    return json.dumps(fields, ensure_ascii=False)


def ask(
    chat: Chat,
    messages: Sequence[Mapping[str, Any]],
    form: type[Answer],
    *,
    temperature: float,
    seed: int,
    round_: int = 0,
) -> Asked[Answer]:
    """Ask for an answer of a given form; a second time, with the complaint, if the first cannot be read."""
    conversation = list(messages)
    results: list[ChatResult] = []
    for _ in range(2):
        try:
            result = chat.complete(conversation, temperature=temperature, seed=seed, schema=form.model_json_schema())[0]
        except TimeoutError as error:
            return Asked(Failure(FailureKind.TIMEOUT, str(error), round_), _cost(results))
        except OSError as error:
            return Asked(Failure(FailureKind.TRANSPORT, str(error), round_), _cost(results))
        results.append(result)
        try:
            return Asked(_read(result, form), _cost(results))
        except AnswerError as error:
            failure = Failure(error.kind, str(error), round_)
        if failure.kind is FailureKind.REFUSED:
            break
        conversation += [
            {"role": "assistant", "content": result.text},
            {
                "role": "user",
                "content": f"That cannot be used: {failure.message}. Answer again with the JSON object only.",
            },
        ]
    return Asked(failure, _cost(results))


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
