"""Chat requests and answers as they travel: the body of ``/v1/chat/completions``, bounds of its tokens, its reading."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from raqo.agents.chat.settings import ChatSettings
from raqo.protocols import ChatRequest, ChatResult

# what chat templates put around a message and around a conversation, with room to spare
_TOKENS_PER_MESSAGE = 16
_TOKENS_PER_REQUEST = 64


class BrokenBodyError(Exception):
    """A server said 200 and sent something that is no completion."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens of a prompt and of all its completions."""

    prompt: int
    completion: int


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP request: its body, the completions it asks for, and the most tokens it can take."""

    content: bytes
    n: int
    bound: Tokens


@dataclass(frozen=True, slots=True)
class Completion:
    """What came back. `used` is what the server counted, or the bound where it did not say."""

    results: list[ChatResult]
    used: Tokens


def calls(request: ChatRequest, settings: ChatSettings) -> list[Call]:
    """The calls that a request needs."""
    return [to_call(part, settings) for part in parts(request, settings)]


def parts(request: ChatRequest, settings: ChatSettings) -> list[ChatRequest]:
    """The request itself, or one per completion with seeds in a row where the server has no ``n``."""
    if request.n == 1 or settings.can.n:
        return [request]
    return [replace(request, n=1, seed=request.seed + index) for index in range(request.n)]


def to_call(request: ChatRequest, settings: ChatSettings) -> Call:
    """The one call of a part."""
    # new models of OpenAI refuse the old name, and most other servers know no other
    limit = "max_completion_tokens" if settings.is_openai else "max_tokens"
    body: dict[str, Any] = {
        "model": settings.model,
        "messages": request.messages,
        "temperature": request.temperature,
        "seed": request.seed,
        limit: request.max_tokens,
    }
    if request.n > 1:
        body["n"] = request.n
    if request.schema is not None and settings.can.structured_output:
        form = {"name": "answer", "schema": _strict(request.schema), "strict": True}
        body["response_format"] = {"type": "json_schema", "json_schema": form}
    bound = Tokens(_prompt_bound(request, body, settings), request.n * request.max_tokens)
    return Call(json.dumps(body).encode(), request.n, bound)


def has_images(request: ChatRequest) -> bool:
    """Whether a message holds an image."""
    return any(part.get("type") == "image_url" for part in _contents(request))


def read_completion(content: bytes, call: Call) -> Completion:
    """Read the body of an answer.

    Raises:
        BrokenBodyError: it is cut off, has another form, or other completions than asked for.
    """
    try:
        body = json.loads(content)
        choices = [_choice(choice) for choice in body["choices"]]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BrokenBodyError(f"no completion in the answer ({type(error).__name__})") from None
    if len(choices) != call.n:
        raise BrokenBodyError(f"{len(choices)} completions for n={call.n}")
    used = _used(body.get("usage"), call.bound)
    share, rest = divmod(used.completion, call.n)
    results = [
        ChatResult(text, reason, used.prompt if index == 0 else 0, share + (rest if index == 0 else 0))
        for index, (text, reason) in enumerate(choices)
    ]
    return Completion(results, used)


def _prompt_bound(request: ChatRequest, body: Mapping[str, Any], settings: ChatSettings) -> int:
    """A token stands for one byte at least."""
    form = len(json.dumps(body.get("response_format", "")))
    contents = list(_contents(request))
    images = len([part for part in contents if part.get("type") == "image_url"])
    texts = sum(len(str(part.get("text", "")).encode("utf-8", "replace")) for part in contents)
    around = _TOKENS_PER_REQUEST + _TOKENS_PER_MESSAGE * (len(request.messages) + len(contents))
    return around + form + texts + images * settings.image_tokens


def _contents(request: ChatRequest) -> Iterator[Mapping[str, Any]]:
    for entry in request.messages:
        content = entry.get("content") or ""
        yield from [{"type": "text", "text": content}] if isinstance(content, str) else content


def _strict(schema: Any) -> Any:
    """The strict form: objects have no further keys, and every key is there."""
    if isinstance(schema, list | tuple):
        return [_strict(item) for item in schema]
    if not isinstance(schema, Mapping):
        return schema
    strict = {key: _strict(value) for key, value in schema.items()}
    if strict.get("type") == "object" and "properties" in strict:
        strict |= {"additionalProperties": False, "required": list(strict["properties"])}
    return strict


def _choice(choice: Mapping[str, Any]) -> tuple[str, str]:
    answer = choice["message"]
    text, refusal = answer.get("content"), answer.get("refusal")
    if not isinstance(text, str | None):
        raise TypeError("content")
    # half of a surrogate pair can be sent in JSON, and cannot be written to a file
    whole = (text or "").encode("utf-8", "replace").decode()
    return whole, "refusal" if refusal else str(choice.get("finish_reason") or "")


def _used(usage: Any, bound: Tokens) -> Tokens:
    counts = usage if isinstance(usage, dict) else {}
    prompt, completion = counts.get("prompt_tokens"), counts.get("completion_tokens")
    if isinstance(prompt, int) and isinstance(completion, int) and prompt >= 0 and completion >= 0:
        return Tokens(prompt, completion)
    return bound
