"""The chat model that a configuration names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from raqo.agents.chat.settings import ChatSettings
from raqo.protocols import Chat

if TYPE_CHECKING:
    from raqo.agents.chat.meter import Spending


def build_chat(
    settings: ChatSettings, *, ledger: Spending | None = None, cache: Path | None = None, salt: str = ""
) -> Chat:
    """Make the chat model ready to be asked; no call is made.

    Args:
        settings: which, where and how.
        ledger: where paid calls are counted; a model in this process costs nothing.
        cache: file of answers that are not asked for again; `None` for none.
        salt: part of the key of every kept answer.

    Raises:
        ConfigError: the key is not set, or a budget is given and the model has no price.
        MissingExtraError: the model needs a library that is not installed.
    """
    chat = _model(settings, ledger)
    if cache is None:
        return chat
    from raqo.agents.chat.response_cache import CachedChat

    # two servers may have different models of one name
    return CachedChat(chat, cache, salt=f"{settings.url}\0{salt}")


def _model(settings: ChatSettings, ledger: Spending | None) -> Chat:
    if settings.preset == "in-process":
        from raqo.agents.chat.in_process import InProcessChat

        return InProcessChat(settings.model)
    from raqo.agents.chat.client import OpenAIChat

    return OpenAIChat(settings, ledger=ledger)
