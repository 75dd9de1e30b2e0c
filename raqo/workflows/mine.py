"""`raqo mine` and `raqo build-data`: a retriever's preferences, from its feedback to data sets."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from raqo import config_loader
from raqo.agents.lexicon import Lexicon, lexicon_from_json, lexicon_json
from raqo.config import IfExists
from raqo.errors import DataError, FingerprintError, message
from raqo.graphs.gate import Gate, calibrate_gate, confidence
from raqo.protocols import Retriever
from raqo.records import RetrievalDataset
from raqo.workflows.parts import Parts
from raqo.workflows.progress import bar, say
from raqo.workflows.run_folder import RunFolder, write_json


def run_mining(parts: Parts, folder: RunFolder, *, if_exists: IfExists = "resume") -> dict[str, Any]:
    """Mine the training data into the trace log; queries that are in it already are not mined again.

    With ``replace`` a log of another retriever or of other settings is set aside under another name.

    Returns:
        The report of this run as JSON values.
    """
    from raqo.agents.lexical import LexicalPerturber, LexicalReviewer
    from raqo.graphs.mining import mine
    from raqo.preference_data.trace_log import TraceLog

    dataset = parts.dataset("train")
    retriever = parts.gallery(dataset.documents)
    dataset = _reachable(dataset, retriever, parts)
    settings = replace(parts.config.mining, seed=parts.config.seed)
    decisive = _settings_hash(parts)
    if if_exists == "replace":
        _set_aside(folder, retriever.fingerprint, decisive)
    with (
        TraceLog(folder.traces, retriever=retriever.fingerprint, settings=decisive) as log,
        bar("mine", len(dataset.queries), "queries") as shown,
    ):
        lexicon = _lexicon(parts, folder, retriever, dataset, f"{retriever.fingerprint}-{decisive}")
        write_json(folder.retriever, {"fingerprint": retriever.fingerprint, "encoder": parts.encoder_fingerprint})
        already = len({query_id for query_id, origin in log.done if str(origin) == "optimize"})
        if already:
            say(f"mine: {already} of {len(dataset.queries)} queries are in {folder.traces.name} already, reused")
            shown.update(already)
        report = mine(
            dataset,
            retriever=retriever,
            reviewer=LexicalReviewer(retriever=retriever, lexicon=lexicon),
            perturber=LexicalPerturber(lexicon),
            text_encoder=parts.text_encoder,
            sink=log,
            done=log.done,
            settings=settings,
            progress=shown.update,
        )
    folder.save(parts.config)
    return asdict(report)


def _lexicon(parts: Parts, folder: RunFolder, retriever: Retriever, dataset: RetrievalDataset, inputs: str) -> Lexicon:
    """Learn the lexicon, or take the run's own where it was learnt under the same conditions."""
    if folder.lexicon.is_file():
        values = json.loads(folder.lexicon.read_text(encoding="utf-8"))
        if values["inputs"] == inputs:
            return lexicon_from_json(values)
    say("mine: asking the retriever what it prefers to be told, phrase by phrase")
    lexicon = parts.lexicon(retriever, dataset)
    write_json(folder.lexicon, {"inputs": inputs, **lexicon_json(lexicon)})
    found = f"{len(lexicon.preferences)} of {len(lexicon.phrases)} phrases are better said otherwise"
    say(f"mine: {found} ({folder.lexicon.name})")
    return lexicon


def _set_aside(folder: RunFolder, retriever: str, settings: str) -> None:
    """Keep traces that cost something, but out of the way of those of another retriever or other settings."""
    from raqo.preference_data.trace_log import read_header

    if not folder.traces.exists() or not folder.traces.stat().st_size:
        return
    header = read_header(folder.traces)
    if (header.retriever, header.settings) != (retriever, settings):
        aside = folder.traces.with_name(f"traces-{header.retriever[:8]}-{header.settings[:8]}.jsonl")
        folder.traces.replace(aside)
        say(f"mine: {folder.traces.name} was mined under other settings; kept as {aside.name}")


def run_build(parts: Parts, folder: RunFolder) -> dict[str, int]:
    """Make the preference data sets from the trace log, and calibrate the gate on the same queries.

    Returns:
        Rows by table.
    """
    from raqo.agents import prompts
    from raqo.preference_data.build import build
    from raqo.preference_data.export import export
    from raqo.preference_data.trace_log import read_traces

    if not folder.traces.exists():
        raise DataError(message(str(folder.traces), "there is no trace log", "run `raqo mine` first"))
    data = build(read_traces(folder.traces), replace(parts.config.build, seed=parts.config.seed), prompts)
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
    dataset = parts.dataset("train")
    retriever = parts.gallery(dataset.documents)
    dataset = _reachable(dataset, retriever, parts)
    rankings = retriever.search(dataset.queries, k=parts.config.gate.depth)
    hits = [ranking.best_rank(dataset.targets[ranking.query_id]) == 1 for ranking in rankings]
    scores = [confidence(ranking, depth=parts.config.gate.depth) for ranking in rankings]
    return calibrate_gate(scores, hits, min_precision=precision, gate=parts.config.gate)


def _reachable(dataset: RetrievalDataset, retriever: Retriever, parts: Parts) -> RetrievalDataset:
    """Leave out queries whose targets could not be indexed (``on_error: skip``)."""
    missing = {skipped.doc_id for skipped in getattr(retriever, "skipped", ())}
    if not missing:
        return dataset
    left = {key: tuple(doc_id for doc_id in ids if doc_id not in missing) for key, ids in dataset.targets.items()}
    queries = tuple(query for query in dataset.queries if left[query.query_id])
    say(f"mine: {len(dataset.queries) - len(queries)} queries left out, their pictures could not be read")
    return replace(dataset, queries=queries, targets={query.query_id: left[query.query_id] for query in queries})


def _settings_hash(parts: Parts) -> str:
    """Of everything that decides what a trace holds, beside the retriever."""
    config = parts.config
    # what a query gives does not depend on its batch
    decisive = [replace(config.mining, batch_size=1), config.lexicon]
    text = "\n".join([*map(config_loader.dump, decisive), config.encoder, str(config.wordnet), str(config.seed)])
    return hashlib.sha256(text.encode()).hexdigest()[:16]
