"""The public face of an engine: a few paths, a key, limits, and an answer while the engine is not ready.

What is not listed here does not reach the engine, which listens on loopback only.
"""

from __future__ import annotations

import asyncio
import hmac
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from raqo.errors import ConfigError, message
from raqo.serving.adapters import RefusedError, adapter_request
from raqo.serving.engine import MODEL_NAME, Engine

Body = dict[str, Any]
_PASSED_BACK = ("content-type", "retry-after")
# a connection closed on a client that still sends is reset, and the refusal may be lost with it
_DISCARDED_BYTES = 16_000_000
# less than engines keep an idle connection open (5 s), or requests would be sent into closed ones
_IDLE_S = 2.0
_HEALTH_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewaySettings:
    """What the gateway asks of its clients and grants them.

    Attributes:
        key: API key that every request but ``/health`` must carry; empty for none.
        max_request_bytes: longer bodies are refused with 413.
        body_timeout_s: until a body must have arrived, else 408.
        answer_timeout_s: until the engine must have begun, or gone on with, its answer, else 504.
        retry_after_s: what a client is told to wait while the engine starts.
        adapters: directory of the LoRA adapters that may be loaded; ``None`` for none.
    """

    key: str = ""
    max_request_bytes: int = 1_000_000
    body_timeout_s: float = 30.0
    answer_timeout_s: float = 300.0
    retry_after_s: int = 2
    adapters: Path | None = None

    def __post_init__(self) -> None:
        if self.max_request_bytes < 1 or self.body_timeout_s <= 0 or self.answer_timeout_s <= 0:
            raise ConfigError(message("serve", "sizes and times must be above 0", "correct them"))


class Gateway:
    """Routes of one engine.

    Attributes:
        ready: whether requests are passed on; set by whoever watches the engine.
        models: names that clients may ask for: the rewriter, and the adapters loaded so far.
    """

    def __init__(self, engine: Engine, settings: GatewaySettings) -> None:
        self.ready = False
        self.models = [MODEL_NAME]
        self._settings = settings
        self._client = httpx.AsyncClient(
            base_url=engine.url,
            headers={"accept-encoding": "identity"} | ({"authorization": f"Bearer {engine.key}"} if engine.key else {}),
            timeout=settings.answer_timeout_s,
            limits=httpx.Limits(max_connections=None, keepalive_expiry=_IDLE_S),
            trust_env=False,
        )
        routes = [
            Route("/health", self._health, methods=["GET"]),
            Route("/v1/models", self._list_models, methods=["GET"]),
            Route("/v1/chat/completions", self._complete, methods=["POST"]),
        ]
        if engine.loads_adapters and settings.adapters:
            routes.append(Route("/v1/load_lora_adapter", self._load_adapter, methods=["POST"]))
        self.app = Starlette(routes=routes, exception_handlers={HTTPException: _refuse})
        self.app.router.redirect_slashes = False

    async def close(self) -> None:
        """Close the connections to the engine."""
        await self._client.aclose()

    async def engine_is_up(self) -> bool:
        """Whether the engine says that it is well."""
        try:
            return (await self._client.get("/health", timeout=_HEALTH_S)).status_code == 200
        except httpx.HTTPError:
            return False

    async def _health(self, request: Request) -> Response:
        if self.ready and await self.engine_is_up():
            return JSONResponse({"status": "ready"})
        return JSONResponse({"status": "not ready"}, 503, {"Retry-After": str(self._settings.retry_after_s)})

    async def _list_models(self, request: Request) -> Response:
        self._admit(request)
        found = [{"id": name, "object": "model", "created": 0, "owned_by": "raqo"} for name in self.models]
        return JSONResponse({"object": "list", "data": found})

    async def _complete(self, request: Request) -> Response:
        self._admit(request)
        body = await self._read(request)
        model = body.setdefault("model", MODEL_NAME)
        if model not in self.models:
            raise HTTPException(
                404, f"there is no model {str(model)[:100]!r}; ask for one of: {', '.join(self.models)}"
            )
        return await self._pass_on("/v1/chat/completions", body)

    async def _load_adapter(self, request: Request) -> Response:
        self._admit(request)
        assert self._settings.adapters
        try:
            body = adapter_request(await self._read(request), self._settings.adapters)
        except RefusedError as error:
            raise HTTPException(400, str(error)) from error
        response = await self._pass_on("/v1/load_lora_adapter", body)
        if response.status_code == 200 and body["lora_name"] not in self.models:
            self.models.append(body["lora_name"])
        return response

    def _admit(self, request: Request) -> None:
        wanted, given = self._settings.key, request.headers.get("authorization", "")
        if wanted and not hmac.compare_digest(given.encode(), f"Bearer {wanted}".encode()):
            raise HTTPException(401, "the API key is missing or wrong", {"WWW-Authenticate": "Bearer"})
        if not self.ready:
            raise HTTPException(503, "the engine is not ready yet", {"Retry-After": str(self._settings.retry_after_s)})

    async def _read(self, request: Request) -> Body:
        # a page in a browser may post plain text to any port without asking, but not JSON
        if request.headers.get("content-type", "").split(";")[0].strip().lower() != "application/json":
            raise HTTPException(415, "send application/json")
        try:
            body = json.loads(await asyncio.wait_for(self._content(request), self._settings.body_timeout_s))
        except TimeoutError as error:
            raise HTTPException(408, "the body did not arrive in time") from error
        except (ValueError, RecursionError) as error:
            raise HTTPException(400, "the body is not JSON") from error
        except ClientDisconnect as error:
            raise HTTPException(400, "the body broke off") from error
        if not isinstance(body, dict):
            raise HTTPException(400, "the body is not a JSON object")
        return body

    async def _content(self, request: Request) -> bytes:
        limit = self._settings.max_request_bytes
        declared = request.headers.get("content-length", "0")
        content, length = bytearray(), 0
        if not declared.isdecimal() or int(declared) <= limit + _DISCARDED_BYTES:
            async for chunk in request.stream():
                length += len(chunk)
                if length <= limit:
                    content += chunk
                elif length > limit + _DISCARDED_BYTES:
                    break
            else:
                if length <= limit:
                    return bytes(content)
        raise HTTPException(413, f"a request may have up to {limit} bytes", {"Connection": "close"})

    async def _pass_on(self, path: str, body: Body) -> Response:
        # ASCII, for JSON may hold half a surrogate pair
        content, kind = json.dumps(body).encode(), {"content-type": "application/json"}
        request = self._client.build_request("POST", path, content=content, headers=kind)
        try:
            answer = await self._client.send(request, stream=True)
        except httpx.TimeoutException as error:
            raise HTTPException(504, "the engine did not answer in time") from error
        except httpx.HTTPError as error:
            raise HTTPException(502, "the engine cannot be reached") from error
        headers = {name: answer.headers[name] for name in _PASSED_BACK if name in answer.headers}
        return StreamingResponse(_chunks(answer), answer.status_code, headers)


async def _chunks(answer: httpx.Response) -> AsyncIterator[bytes]:
    try:
        async for chunk in answer.aiter_raw():
            yield chunk
    finally:
        await answer.aclose()


async def _refuse(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    kind = "invalid_request_error" if error.status_code < 500 else "server_error"
    body = {"error": {"message": error.detail, "type": kind, "param": None, "code": error.status_code}}
    return JSONResponse(body, error.status_code, error.headers)
