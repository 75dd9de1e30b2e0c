"""A connection to Milvus, and its errors in one clear line each."""

from __future__ import annotations

import base64
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from raqo.errors import ConfigError, MissingExtraError, RunFolderError, message
from raqo.retrievers.milvus.settings import MilvusSettings

CONNECTING = 10.0
"""Seconds for the first answer of a server."""


def connect(settings: MilvusSettings) -> Any:
    """A `pymilvus.MilvusClient`.

    Raises:
        ConfigError: nothing answers at the address, or the token is refused.
        MissingExtraError: pymilvus or, for the embedded engine, milvus-lite is not installed.
        RunFolderError: the folder of the embedded engine cannot be opened.
    """
    client = _client_class()
    token = os.environ.get(settings.token_env, "")
    if settings.folder is None:
        fix = (
            f"start the server, correct the address, or set the token in the environment variable {settings.token_env}"
        )
        try:
            return client(settings.address, token=token, timeout=min(CONNECTING, settings.timeout))
        except Exception as error:
            problem = f"no Milvus can be used there ({_reason(error, token)})"
            raise ConfigError(message(settings.url, problem, fix)) from None
    _require_embedded()
    try:
        settings.folder.parent.mkdir(parents=True, exist_ok=True)
        return client(settings.address)
    except Exception as error:
        problem = f"the embedded engine cannot open it ({_reason(error, token)})"
        fix = "end the other process that has it open, or choose another folder; several processes need a server"
        raise RunFolderError(message(settings.url, problem, fix)) from None


def disconnect(client: Any, settings: MilvusSettings) -> None:
    """Close a connection; the embedded engine is shut down, for every user of its folder in this process."""
    client.close()
    if settings.folder is not None:
        from milvus_lite.server_manager import server_manager_instance

        server_manager_instance.release_server(settings.address)


@contextmanager
def asking(settings: MilvusSettings) -> Iterator[None]:
    """Turn whatever a call fails with into one line that does not hold the token.

    Raises:
        RunFolderError: Milvus refused, or did not answer in time.
    """
    import grpc
    from pymilvus.exceptions import MilvusException

    try:
        yield
    except (MilvusException, grpc.RpcError, grpc.FutureTimeoutError) as error:
        problem = f"Milvus could not do it ({_reason(error, os.environ.get(settings.token_env, ''))})"
        fix = "see whether it still runs and has space, raise retriever.milvus.timeout if it is slow, and start again"
        raise RunFolderError(message(settings.url, problem, fix)) from None


def _reason(error: BaseException, token: str) -> str:
    text = " ".join(str(getattr(error, "message", "") or error).split())
    for secret in (base64.b64encode(token.encode()).decode(), token, *token.split(":", 1)[1:]):  # as sent, and as given
        text = text.replace(secret, "***") if secret else text
    return text[:300] or type(error).__name__


def _client_class() -> Any:
    try:
        from pymilvus import MilvusClient
    except ImportError as error:
        raise _missing("pymilvus") from error
    for name in ("pymilvus", "pymilvus.milvus_client", "milvus_lite", "grpc._server"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # they log what they raise, with a traceback
    return MilvusClient


def _require_embedded() -> None:
    try:
        import milvus_lite  # noqa: F401
    except ImportError as error:
        raise _missing("milvus-lite") from error


def _missing(package: str) -> MissingExtraError:
    return MissingExtraError(message("retriever.milvus", f"{package} is not installed", "pip install 'raqo[milvus]'"))
