"""`raqo build-data`: from the trace log to data sets and a calibrated gate; and what serving reads of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from raqo.agents import prompts
from raqo.config import RunConfig
from raqo.errors import DataError, FingerprintError, message
from raqo.files import write_json
from raqo.graphs.gate import Gate, calibrate_gate, confidence
from raqo.graphs.verification import usual_growth
from raqo.preference_data.build import PreferenceData, build, similarity_spread
from raqo.preference_data.trace_log import read_header, read_traces
from raqo.protocols import Retriever
from raqo.records import RetrievalDataset
from raqo.workflows.parts import Parts
from raqo.workflows.run_folder import RunFolder


@dataclass(frozen=True, slots=True)
class Built:
    """What was made of the traces.

    Attributes:
        rows: by table.
        left_out: reason -> wordings, lists and queries that are in no table.
        gate: as calibrated.
    """

    rows: Mapping[str, int]
    left_out: Mapping[str, int]
    gate: Gate

    def summary(self) -> str:
        """One line for people, two where something was left out."""
        at = self.gate.confident_at
        gate = "off, every query is looked at" if at is None else f"queries are kept from a confidence of {at:.4g}"
        made = f"{', '.join(f'{count} {name}' for name, count in self.rows.items())} rows; gate: {gate}"
        reasons = ", ".join(f"{count} × {reason}" for reason, count in self.left_out.items())
        return f"{made}\nleft out: {reasons}" if reasons else made


def run_build(parts: Parts, folder: RunFolder) -> Built:
    """Make the preference data sets from the trace log, and calibrate the gate on the same queries.

    Raises:
        DataError: there is no trace log, or it or the training data cannot be read.
        FingerprintError: the training data's retriever or gallery is not the one that was mined; nothing is written.
    """
    from raqo.preference_data.export import export

    if not folder.traces.exists():
        raise DataError(message(str(folder.traces), "there is no trace log", "run `raqo mine` first"))
    dataset, retriever = parts.searchable("train")
    _check_mined(folder, retriever)
    settings = replace(parts.config.build, seed=parts.config.seed)
    spread = similarity_spread(read_traces(folder.traces))
    data = build(read_traces(folder.traces), settings, prompts, spread=spread)
    export(data, folder.data)
    gate = _calibrated(parts.config, data, dataset, retriever)
    write_json(folder.gate, asdict(gate))
    folder.save(parts.config)
    rows = {"ccd": len(data.ccd), "qre": len(data.qre), "pro": len(data.pro), "pairs": len(data.pairs)}
    return Built(rows, data.drops, gate)


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


def _check_mined(folder: RunFolder, retriever: Retriever) -> None:
    mined = read_header(folder.traces).retriever
    if mined != retriever.fingerprint:
        problem = f"mined with retriever and gallery {mined}, the configuration gives {retriever.fingerprint}"
        fix = "use the data.train and the retriever it was mined with, or mine into another run folder"
        raise FingerprintError(message(str(folder.traces), problem, fix))


def _calibrated(config: RunConfig, data: PreferenceData, dataset: RetrievalDataset, retriever: Retriever) -> Gate:
    precision, gate = config.gate_precision, config.gate
    if precision is None:
        return gate
    if gate.max_growth is None:
        gate = replace(gate, max_growth=usual_growth([(row.query, row.rewrite) for row in data.qre]))
    rankings = retriever.search(dataset.queries, k=gate.depth)
    hits = [ranking.best_rank(dataset.targets[ranking.query_id]) == 1 for ranking in rankings]
    scores = [confidence(ranking, depth=gate.depth) for ranking in rankings]
    return calibrate_gate(scores, hits, min_precision=precision, gate=gate)
