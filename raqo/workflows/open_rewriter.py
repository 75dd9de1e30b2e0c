"""The trained rewriter of a run: in this process, or behind the endpoint that its configuration names."""

from __future__ import annotations

from pathlib import Path

from raqo.agents.chat.build import build_chat
from raqo.agents.chat.settings import ChatSettings
from raqo.agents.rewriter import LocalRewriter, RewriterSettings
from raqo.agents.served_rewriter import served_rewriter
from raqo.protocols import Rewriter
from raqo.serving.engine import MODEL_NAME


def open_rewriter(model: Path, settings: RewriterSettings, *, served: bool = True) -> Rewriter:
    """Load a model folder, or ask the endpoint of ``rewriter.base_url`` that serves it.

    Args:
        model: folder of the model.
        settings: of the run.
        served: whether this is the model that an endpoint serves; others of a run are loaded.
    """
    if settings.base_url is None or not served:
        return LocalRewriter(model, settings=settings)
    chat = ChatSettings(
        preset="transformers-serve", model=MODEL_NAME, base_url=settings.base_url, api_key_env=settings.api_key_env
    )
    return served_rewriter(build_chat(chat), model, settings=settings)
