"""The served graph for a LangGraph server (`langgraph.json`): `RAQO_RUN` names the run folder it serves."""

from __future__ import annotations

import os
from pathlib import Path

from raqo.errors import ConfigError, message
from raqo.graphs.rewriting import build_graph
from raqo.graphs.rewriting_state import Context


def _context() -> Context:
    """Load the models when the first query comes."""
    from raqo.workflows.rewrite import served_context

    run = os.environ.get("RAQO_RUN")
    if not run:
        raise ConfigError(message("RAQO_RUN", "is not set", "set it to a run folder, for example runs/demo"))
    return served_context(Path(run))


graph = build_graph(_context)
