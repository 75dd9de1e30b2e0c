"""One HTTP call to a chat server through the openai SDK, and what its failure means."""

from __future__ import annotations

import itertools
import math
import os
import ssl
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import openai

from raqo.agents.chat.retrying import Handling, judge, parse_retry_after
from raqo.agents.chat.settings import ChatSettings
from raqo.errors import ConfigError, message
from raqo.records import FailureKind

_MAX_BODY_BYTES = 4 * 1024 * 1024
_QUOTED_CHARACTERS = 500
# less than servers keep an idle connection open, or calls would be sent into closed ones
_IDLE_SECONDS = 2.0
_CONNECT_SECONDS = 10.0
# a client looks at all its connections in every call, so many calls at once are spread over several clients
_CONNECTIONS_PER_CLIENT = 8


class FailedCallError(Exception):
    """A call failed.

    Attributes:
        status: the HTTP status, where one came.
        retry_after: seconds the server asks to wait.
        free: whether it is known that nothing is to be paid.
    """

    def __init__(
        self,
        kind: FailureKind,
        text: str,
        *,
        handling: Handling = Handling.RETRY,
        status: int | None = None,
        retry_after: float | None = None,
        free: bool = False,
    ) -> None:
        super().__init__(text)
        self.kind, self.handling, self.status = kind, handling, status
        self.retry_after, self.free = retry_after, free


class ChatHttp:
    """Connections to one server, all used on one event loop.

    The SDK's own retries, time-outs and parsing are off: attempts are counted, paid and timed by the caller, and plain
    JSON costs half the CPU. The key is sent to the configured server only, so redirects are not followed.

    Raises:
        ConfigError: the environment variable with the key is not set.
    """

    def __init__(self, settings: ChatSettings) -> None:
        self._key = _key(settings)
        verify = httpx2.create_ssl_context()
        count = math.ceil(settings.flow.max_concurrency / _CONNECTIONS_PER_CLIENT)
        self._clients = itertools.cycle([_client(settings, self._key, verify) for _ in range(count)])

    async def post(self, content: bytes) -> bytes:
        """Send a body to ``/chat/completions`` and give the body of the answer.

        Raises:
            FailedCallError: no success; its text is the server's, shortened and without the key.
        """
        options: Any = {"headers": {"Content-Type": "application/json"}}
        try:
            answer = await next(self._clients).post(
                "/chat/completions", cast_to=httpx2.Response, content=content, options=options
            )
            return answer.content
        except openai.APIStatusError as error:
            failed = self._refused(error)
        except openai.APIConnectionError as error:
            cause = error.__cause__
            text = f"the connection failed ({type(cause or error).__name__})"
            never_sent = isinstance(cause, httpx2.ConnectError | httpx2.ConnectTimeout)
            failed = FailedCallError(FailureKind.TRANSPORT, text, free=never_sent)
        except _TooLargeError:
            text = f"an answer of more than {_MAX_BODY_BYTES} bytes was not read"
            failed = FailedCallError(FailureKind.TRANSPORT, text)
        raise failed

    def _refused(self, error: openai.APIStatusError) -> FailedCallError:
        handling, kind = judge(error.status_code)
        said = error.body.get("message") if isinstance(error.body, dict) else None
        text = " ".join(str(said or error.message).split())
        if self._key:
            text = text.replace(self._key, "***")
        text = f"{error.status_code}: {text}"[:_QUOTED_CHARACTERS]
        retry_after = parse_retry_after(error.response.headers.get("retry-after"))
        return FailedCallError(
            kind, text, handling=handling, status=error.status_code, retry_after=retry_after, free=True
        )


def what_to_correct(failed: FailedCallError, settings: ChatSettings) -> str:
    """What to correct, when no call can succeed. The server's words about a key are not repeated."""
    where = f"chat model {settings.model!r} at {settings.url}"
    match failed.status:
        case 401 | 403 | 407:
            key = f"the key in {settings.key_env}" if settings.key_env else "a call without a key"
            fix = f"set {settings.key_env} to a valid key" if settings.key_env else "name its variable in api_key_env"
            return message(where, f"the server refuses {key} ({failed.status})", fix)
        case 402:
            return message(where, f"the account has no credit ({failed})", "top it up and resume")
        case _:
            return message(where, f"the server does not know it ({failed})", "correct chat.model or chat.base_url")


def _client(settings: ChatSettings, key: str, verify: ssl.SSLContext) -> openai.AsyncOpenAI:
    # of the rest the caller keeps the time
    timeout = httpx2.Timeout(None, connect=_CONNECT_SECONDS)
    http = openai.DefaultAsyncHttpxClient(
        verify=verify,
        limits=httpx2.Limits(keepalive_expiry=_IDLE_SECONDS),
        timeout=timeout,
        follow_redirects=False,
        headers={"Accept-Encoding": "identity"},
        event_hooks={"response": [_cap]},
    )
    # without a key the SDK would look for OpenAI's, and send it to whatever server this is
    client = openai.AsyncOpenAI(
        api_key=key or "none", base_url=settings.url, max_retries=0, timeout=timeout, http_client=http
    )
    if not settings.is_openai:
        client.organization = client.project = None
    return client


def _key(settings: ChatSettings) -> str:
    """The key from the environment; empty where none is needed."""
    name = settings.key_env
    key = os.environ.get(name, "").strip() if name else ""
    if name and not key:
        problem = f"the environment variable {name} is not set"
        raise ConfigError(message("chat", problem, f"export {name}=..., or name another variable in chat.api_key_env"))
    return key


class _TooLargeError(Exception):
    """A body went on after the limit."""


class _Capped(httpx2.AsyncByteStream):
    """A body that is not read beyond the limit."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for chunk in self._stream:
            size += len(chunk)
            if size > _MAX_BODY_BYTES:
                await self._stream.aclose()
                raise _TooLargeError
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()


async def _cap(response: httpx2.Response) -> None:
    response.stream = _Capped(response.stream)
