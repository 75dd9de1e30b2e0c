import importlib
import json
from pathlib import Path

import pytest


def test_langgraph_json_names_a_graph_that_loads_without_a_model():
    pytest.importorskip("raqo.workflows.langgraph_app", reason="the server's entry point is not there yet")
    spec = json.loads((Path(__file__).parents[2] / "langgraph.json").read_text(encoding="utf-8"))
    module, _, variable = spec["graphs"]["rewriting"].partition(":")
    graph = getattr(importlib.import_module(module), variable)
    assert {"gate", "detect", "rewrite", "verify", "retrieve", "confirm"} <= set(graph.get_graph().nodes)
    assert graph.checkpointer is None
