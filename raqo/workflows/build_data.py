"""`raqo build-data`: from the trace log to data sets and a calibrated gate; and what serving reads of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from raqo.agents import prompts
from raqo.errors import DataError, FingerprintError, message
from raqo.files import write_json
from raqo.graphs.gate import Gate, calibrate_gate, confidence
from raqo.preference_data.build import build, similarity_spread
from raqo.preference_data.trace_log import read_traces
from raqo.workflows.mine import mining_inputs
from raqo.workflows.parts import Parts
from raqo.workflows.run_folder import RunFolder


def run_build(parts: Parts, folder: RunFolder) -> dict[str, int]:
    """Make the preference data sets from the trace log, and calibrate the gate on the same queries.

    Returns:
        Rows by table.
    """
    from raqo.preference_data.export import export

    if not folder.traces.exists():
        raise DataError(message(str(folder.traces), "there is no trace log", "run `raqo mine` first"))
    settings = replace(parts.config.build, seed=parts.config.seed)
    spread = similarity_spread(read_traces(folder.traces))
    data = build(read_traces(folder.traces), settings, prompts, spread=spread)
    export(data, folder.data)
    write_json(folder.gate, asdict(_calibrated(parts)))
    folder.save(parts.config)
    return {"ccd": len(data.ccd), "qre": len(data.qre), "pro": len(data.pro), "pairs": len(data.pairs)}


def read_gate(folder: RunFolder) -> Gate:
    """The gate as calibrated by `run_build`."""
    if not folder.gate.is_file():
        raise DataError(message(str(folder.gate), "is missing", "run `raqo build-data` first"))
    values: Mapping[str, Any] = json.loads(folder.gate.read_text(encoding="utf-8"))
    return Gate(**values)


def check_encoder(parts: Parts, folder: RunFolder) -> None:
    """Refuse to serve a run with another encoder than it was mined with; another gallery is what serving is for.

    Raises:
        FingerprintError: model or weights differ.
    """
    if not folder.retriever.is_file():
        raise DataError(message(str(folder.retriever), "is missing", "run `raqo mine` first"))
    mined = json.loads(folder.retriever.read_text(encoding="utf-8"))["encoder"]
    if mined != parts.encoder_fingerprint:
        problem = f"the run was mined with encoder {mined}, the configuration gives {parts.encoder_fingerprint}"
        raise FingerprintError(message(str(folder.path), problem, "use the same retriever, or mine and train anew"))


def _calibrated(parts: Parts) -> Gate:
    precision = parts.config.gate_precision
    if precision is None:
        return parts.config.gate
    dataset, retriever = mining_inputs(parts)
    rankings = retriever.search(dataset.queries, k=parts.config.gate.depth)
    hits = [ranking.best_rank(dataset.targets[ranking.query_id]) == 1 for ranking in rankings]
    scores = [confidence(ranking, depth=parts.config.gate.depth) for ranking in rankings]
    return calibrate_gate(scores, hits, min_precision=precision, gate=parts.config.gate)
