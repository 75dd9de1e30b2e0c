"""What a chat server really does, found out with tiny requests: servers ignore in silence what they do not know."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

Body = Mapping[str, Any]
CAPABILITIES = ("n", "structured_output", "logprobs", "images")

# nobody answers this by chance
_CODE = 7351
_SCHEMA = {
    "type": "object",
    "properties": {"code": {"const": _CODE}},
    "required": ["code"],
    "additionalProperties": False,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Probed:
    """What was found behind an address.

    Attributes:
        models: names that the server lists.
        does: capability -> whether it was seen; one that could not be tried is missing.
        problem: why nothing could be found out, or the plain request failed; empty if all is well.
    """

    models: tuple[str, ...] = ()
    does: Mapping[str, bool]
    problem: str = ""


def probe(base_url: str, *, key: str = "", model: str = "", images: bool = False, timeout_s: float = 60.0) -> Probed:
    """Ask a server for its models and try its capabilities.

    Args:
        base_url: with ``/v1``.
        key: API key.
        model: to be asked; the first one listed by default.
        images: whether to send a picture too.
        timeout_s: of each request; the first one with log probabilities makes some servers compile.
    """
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    local = httpx.URL(base_url).host in ("127.0.0.1", "::1", "localhost")
    with httpx.Client(base_url=base_url, headers=headers, timeout=timeout_s, trust_env=not local) as client:
        try:
            models = _models(client)
            asked = model or (models[0] if models else "")
            if not asked:
                return Probed(does={}, problem="lists no model; name one")
            plain = _ask(client, asked)
            if not _answered(plain):
                return Probed(models=models, does={}, problem=f"a plain request to {asked!r} failed: {_said(plain)}")
            wanted = CAPABILITIES if images else CAPABILITIES[:-1]
            return Probed(models=models, does={name: _does(client, asked, name) for name in wanted})
        except httpx.HTTPError as error:
            return Probed(does={}, problem=f"no answer ({type(error).__name__}: {error})")


def _models(client: httpx.Client) -> tuple[str, ...]:
    answer = client.get("/models")
    if answer.status_code in (401, 403):
        raise httpx.HTTPError("the API key is missing or wrong")
    try:
        return tuple(str(model["id"]) for model in answer.json()["data"])
    except (ValueError, KeyError, TypeError):
        return ()


def _does(client: httpx.Client, model: str, capability: str) -> bool:
    match capability:
        case "n":
            return len(_choices(_ask(client, model, n=2, temperature=1.0))) == 2
        case "structured_output":
            form = {"type": "json_schema", "json_schema": {"name": "probe", "schema": _SCHEMA, "strict": True}}
            return _is_code(_choices(_ask(client, model, response_format=form)))
        case "logprobs":
            return any(choice.get("logprobs") for choice in _choices(_ask(client, model, logprobs=True)))
        case _:
            return _answered(_ask(client, model, content=[{"type": "text", "text": "Say yes."}, _picture()]))


def _ask(client: httpx.Client, model: str, content: Any = "Say yes.", **options: Any) -> httpx.Response:
    body = {"model": model, "messages": [{"role": "user", "content": content}], "max_tokens": 24, **options}
    return client.post("/chat/completions", json=body)


def _choices(answer: httpx.Response) -> list[dict[str, Any]]:
    try:
        return [choice for choice in answer.json()["choices"] if isinstance(choice, dict)]
    except (ValueError, KeyError, TypeError):
        return []


def _answered(answer: httpx.Response) -> bool:
    return answer.status_code == 200 and bool(_choices(answer))


def _is_code(choices: list[dict[str, Any]]) -> bool:
    try:
        return bool(json.loads(choices[0]["message"]["content"], strict=False) == {"code": _CODE})
    except (ValueError, KeyError, TypeError, IndexError):
        return False


def _said(answer: httpx.Response) -> str:
    return f"{answer.status_code} {' '.join(answer.text.split())[:200]}"


def _picture() -> dict[str, Any]:
    from PIL import Image

    file = io.BytesIO()
    Image.new("RGB", (32, 32), "red").save(file, "PNG")
    return {
        "type": "image_url",
        "image_url": {"url": f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"},
    }
