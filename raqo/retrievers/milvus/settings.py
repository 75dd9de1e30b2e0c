"""Settings of a gallery in Milvus. Imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from raqo.errors import ConfigError, message, nearest

SCHEME = "milvus:"
METHODS = ("bm25", "dense", "clip")


@dataclass(frozen=True, slots=True, kw_only=True)
class MilvusSettings:
    """Where a gallery lies, and how it is searched there.

    Attributes:
        url: ``milvus:FOLDER.db`` is the embedded engine, which one process at a time may open;
            ``milvus:http://HOST:PORT`` or ``milvus:https://HOST:PORT`` a server, with ``/DATABASE`` behind it where the
            gallery shall not lie in the default one.
        method: ``bm25`` searches texts by Milvus' own BM25 with `retriever.k1`, `b` and `stop_words`; ``dense`` texts
            by the sentence vectors of `retriever.model`; ``clip`` texts or pictures by the CLIP vectors of
            `retriever.model`. The vectors lie in an index of `retriever.index`: ``flat``, ``ivf`` or ``hnsw``.
        token_env: environment variable with the token of a server, ``user:password`` or a key; unset: none is sent.
        timeout: seconds that one call may take, repetitions included; raise it for large galleries on a slow server.
        rows_at_once: the most documents of one insertion; long ones are sent in smaller parts.
    """

    url: str = ""
    method: Literal["bm25", "dense", "clip"] = "bm25"
    token_env: str = "MILVUS_TOKEN"
    timeout: float = 120.0
    rows_at_once: int = 1000

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            problem = f"expected {' or '.join(METHODS)}, got {self.method!r}{nearest(str(self.method), METHODS)}"
            raise ConfigError(message("retriever.milvus.method", problem, "correct the name"))
        if not 0 < self.timeout < float("inf"):
            raise _wrong("timeout", f"expected seconds above 0, got {self.timeout}")
        if not 1 <= self.rows_at_once <= 100_000:
            raise _wrong("rows_at_once", f"expected 1 to 100,000, got {self.rows_at_once}")
        if self.url:
            _check_url(self.url)

    @property
    def address(self) -> str:
        """What pymilvus connects to."""
        return self.url.removeprefix(SCHEME)

    @property
    def folder(self) -> Path | None:
        """Of the embedded engine; None for a server."""
        return None if "://" in self.address else Path(self.address)


def _check_url(url: str) -> None:
    """Refuse what is no address, without repeating what may be a password."""
    address = url.removeprefix(SCHEME)
    if "://" not in address:
        usable = address.endswith(".db") and Path(address).name != ".db"
    elif "@" in address:
        fix = "put them into the environment variable that retriever.milvus.token_env names"
        raise ConfigError(message("retriever.milvus.url", "there are credentials in the address", fix))
    else:
        usable = _is_server(address)
    if not (usable and url.startswith(SCHEME)):
        got = "" if "@" in url else f", got {url!r}"
        raise _wrong("url", f"expected {SCHEME}FOLDER.db, {SCHEME}http://HOST:PORT or {SCHEME}https://HOST:PORT{got}")


def _is_server(address: str) -> bool:
    try:
        parts = urlsplit(address)
        named = bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    plain = not (parts.query or parts.fragment or parts.path.endswith(".db"))
    return named and plain and parts.scheme in ("http", "https")


def _wrong(name: str, problem: str) -> ConfigError:
    return ConfigError(message(f"retriever.milvus.{name}", problem, "correct the value"))
