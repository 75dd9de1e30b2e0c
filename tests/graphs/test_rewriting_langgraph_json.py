import importlib
import json
from pathlib import Path

import pytest

from raqo.errors import DataError
from raqo.graphs.rewriting import build_graph


def test_langgraph_json_names_a_graph_that_loads_without_a_model():
    spec = json.loads((Path(__file__).parents[2] / "langgraph.json").read_text(encoding="utf-8"))
    module, _, variable = spec["graphs"]["rewriting"].partition(":")
    graph = getattr(importlib.import_module(module), variable)
    assert {"gate", "detect", "rewrite", "verify", "retrieve", "confirm"} <= set(graph.get_graph().nodes)
    assert graph.checkpointer is None


NO_QUERIES = ({}, {"text": "a dog"}, {"queries": []}, {"queries": "a dog"})
NOT_A_QUERY = ("a dog", {}, {"text": 5}, {"text": None}, {"text": "a dog", "image": ["x"]})


@pytest.mark.parametrize("given", [*NO_QUERIES, *({"queries": [{"text": "a cat"}, one]} for one in NOT_A_QUERY)])
def test_input_of_another_form_is_one_clear_error_before_anything_is_asked(given):
    def nothing():
        raise AssertionError("no model is needed to refuse this")

    with pytest.raises(DataError, match=r"queries.*expected.*send"):
        build_graph(nothing).invoke(given)
