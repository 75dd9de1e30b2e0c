"""Which chat model is asked, where, at what price and how fast, and what its server can do. Loads no heavy library."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from raqo.errors import ConfigError, message, nearest


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a server does when it is asked to; servers silently ignore what they do not know.

    Attributes:
        n: several completions of one request; without it they are asked for one by one, with seeds in a row.
        structured_output: enforces a JSON schema; without it the answer is parsed, repaired and asked for once more.
        images: reads images inside messages.
        logprobs: gives log probabilities of the tokens.
    """

    n: bool
    structured_output: bool
    images: bool
    logprobs: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """A kind of server.

    Attributes:
        api_key_env: environment variable with the key; empty where none is needed.
    """

    base_url: str
    capabilities: Capabilities
    api_key_env: str = ""


_ALL = Capabilities(n=True, structured_output=True, images=True, logprobs=True)
_BARE = Capabilities(n=False, structured_output=False, images=True, logprobs=False)

PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        "openai": Preset(base_url="https://api.openai.com/v1", capabilities=_ALL, api_key_env="OPENAI_API_KEY"),
        "vllm": Preset(base_url="http://127.0.0.1:8000/v1", capabilities=_ALL),
        "transformers-serve": Preset(base_url="http://127.0.0.1:8000/v1", capabilities=_BARE),
        "in-process": Preset(base_url="", capabilities=_BARE),
    }
)
"""The kinds of servers by name; ``in-process`` is a transformers model in this very process."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """Money per million tokens."""

    prompt: float
    completion: float

    def __post_init__(self) -> None:
        for name in ("prompt", "completion"):
            _require(0 <= getattr(self, name) < float("inf"), f"price.{name}", "at least 0", getattr(self, name))


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowSettings:
    """How fast a server is asked, and how often again.

    Attributes:
        max_concurrency: calls on their way at once, at most.
        start_concurrency: at the start; it grows while the server keeps up.
        requests_per_minute: the account's limit, if it has one.
        tokens_per_minute: the account's limit, prompts and completions together.
        max_attempts: calls for one answer, the first included.
        attempt_timeout_s: seconds until a call counts as lost.
        deadline_s: seconds of calls and of pauses between them, after which an answer is given up; waiting for a turn
            does not count.
        max_wait_s: the longest pause before another attempt, whatever the server asks for.
    """

    max_concurrency: int = 64
    start_concurrency: int = 8
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    max_attempts: int = 5
    attempt_timeout_s: float = 60.0
    deadline_s: float = 300.0
    max_wait_s: float = 60.0

    def __post_init__(self) -> None:
        for name in ("max_concurrency", "start_concurrency", "max_attempts"):
            _require(getattr(self, name) >= 1, f"flow.{name}", "at least 1", getattr(self, name))
        for name in ("requests_per_minute", "tokens_per_minute"):
            value = getattr(self, name)
            _require(value is None or value >= 1, f"flow.{name}", "at least 1, or null for no limit", value)
        for name in ("attempt_timeout_s", "deadline_s"):
            _require(getattr(self, name) > 0, f"flow.{name}", "more than 0", getattr(self, name))
        _require(self.max_wait_s >= 0, "flow.max_wait_s", "at least 0", self.max_wait_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatSettings:
    """A chat model. Keys are read from the environment only and never written anywhere.

    Attributes:
        preset: the kind of server, one of `PRESETS`.
        model: name of the model at the server; for ``in-process`` a folder or a Hugging Face name.
        base_url: address with ``/v1``; the preset's by default.
        api_key_env: environment variable with the key; the preset's by default.
        capabilities: what the server does; the preset's by default.
        prices: price table by model name; needed for a budget.
        image_tokens: tokens of one image, reserved before a call: the most a model at this server counts.
    """

    model: str
    preset: str = "openai"
    base_url: str | None = None
    api_key_env: str | None = None
    capabilities: Capabilities | None = None
    flow: FlowSettings = field(default_factory=FlowSettings)
    prices: dict[str, Price] = field(default_factory=dict)
    image_tokens: int = 1105

    def __post_init__(self) -> None:
        if self.preset not in PRESETS:
            problem = f"unknown preset {self.preset!r}{nearest(self.preset, PRESETS)}"
            raise ConfigError(message("chat.preset", problem, f"use one of: {', '.join(PRESETS)}"))
        _require(bool(self.model.strip()), "chat.model", "the name of a model", self.model)
        _require(self.image_tokens >= 0, "chat.image_tokens", "at least 0", self.image_tokens)
        if self.base_url is not None:
            _check_url(self.base_url)

    @property
    def url(self) -> str:
        """The address in use."""
        return self.base_url or PRESETS[self.preset].base_url

    @property
    def is_openai(self) -> bool:
        """Whether OpenAI itself is asked, not a server like it."""
        return self.url.rstrip("/") == PRESETS["openai"].base_url

    @property
    def key_env(self) -> str:
        """The environment variable in use; empty for none."""
        return PRESETS[self.preset].api_key_env if self.api_key_env is None else self.api_key_env

    @property
    def can(self) -> Capabilities:
        """The capabilities in use."""
        return self.capabilities or PRESETS[self.preset].capabilities

    @property
    def price(self) -> Price | None:
        """Price of the model, if the table has it."""
        return self.prices.get(self.model)


def _check_url(url: str) -> None:
    """The address itself is shown only where it cannot hold a secret."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise ConfigError(message("chat.base_url", "not an address", "write http://HOST:PORT/v1")) from None
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        problem = "holds credentials, a query or a fragment"
        fix = "write the bare address, and give the key in an environment variable named by api_key_env"
        raise ConfigError(message("chat.base_url", problem, fix))
    plain = parts.scheme in ("http", "https") and bool(parts.hostname)
    _require(plain, "chat.base_url", "http(s)://HOST[:PORT]/v1", url)


def _require(holds: bool, name: str, expected: str, got: Any) -> None:
    if not holds:
        raise ConfigError(message(name, f"expected {expected}, got {got!r}", "correct the value"))
