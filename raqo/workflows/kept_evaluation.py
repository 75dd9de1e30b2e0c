"""An evaluation that is in the run folder already is taken again where nothing it depends on has changed."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import raqo
from raqo.agents.prompts import prompt_hash
from raqo.agents.rewriter import weights_hash
from raqo.evaluation.compare import row_from_json
from raqo.evaluation.deltas import QueryDelta
from raqo.evaluation.examples import Example, ExampleGroup, Outcome
from raqo.evaluation.plain import plain
from raqo.files import write_json
from raqo.records import Document, RetrievalDataset
from raqo.retrievers.bm25.stored_passages import documents_by_id
from raqo.retrievers.checked_files import file_digest
from raqo.workflows.build_data import check_encoder, read_gate
from raqo.workflows.evaluate import Evaluated, model_folders, require_evaluation_sets, run_evaluation
from raqo.workflows.parts import Parts
from raqo.workflows.progress import say
from raqo.workflows.run_folder import RunFolder


def evaluate(parts: Parts, folder: RunFolder) -> tuple[Evaluated, bool]:
    """`raqo.workflows.evaluate.run_evaluation`, or what it gave before for the same inputs.

    Its files must be as they were written. Behind ``rewriter.base_url`` the model may change without a trace, so what
    such an endpoint answers is measured each time.

    Returns:
        The evaluation, and whether it was there.
    """
    inputs = evaluation_inputs(parts, folder)
    kept = read_evaluation_manifest(folder)
    if kept and parts.config.rewriter.base_url is None:
        changed = [name for name, value in inputs.items() if kept["inputs"].get(name) != value]
        if not kept["files"].items() <= _digests(folder).items():
            changed.append("its files")
        if not changed:
            say(f"evaluate: models, data and settings are the same, reused; delete {folder.evaluation} to measure anew")
            folder.save(parts.config)
            return _read(kept, parts), True
        say(f"evaluate: measured anew, changed: {', '.join(changed)}")
    folder.evaluated.unlink(missing_ok=True)
    evaluated = run_evaluation(parts, folder)
    values = {"inputs": inputs, **_values(evaluated), "files": _digests(folder)}
    write_json(folder.evaluated, values)
    return evaluated, False


def evaluation_inputs(parts: Parts, folder: RunFolder) -> dict[str, Any]:
    """Everything that decides the figures, as JSON values; the galleries are indexed where they are not yet.

    Raises:
        ConfigError, DataError, FingerprintError: as `run_evaluation` does before it begins.
    """
    models = model_folders(parts, folder)
    check_encoder(parts, folder)
    config, sets = parts.config, require_evaluation_sets(parts)
    settings = {name: value for name, value in plain(config.evaluation).items() if name != "thumbnail"}
    found = {
        "raqo": raqo.__version__,
        "code": source_hash(Path(raqo.__file__).parent),
        "models": {name: weights_hash(path) for name, path in models.items()},
        "generation": {name: _digests_of(path.glob("*config.json"), path) for name, path in models.items()},
        "prompts": prompt_hash("detect", "rewrite"),
        "gate": read_gate(folder),
        "galleries": {dataset.split: retriever.fingerprint for dataset, retriever in sets},
        "queries": {dataset.split: _digest(dataset) for dataset, _ in sets},
        "directions": config.directions,
        "rewriter": config.rewriter,
        "evaluation": settings,
    }
    return {name: plain(value) for name, value in found.items()}


def read_evaluation_manifest(folder: RunFolder) -> dict[str, Any]:
    """What lies beside the evaluation's files; empty where there is none to be read."""
    try:
        found = json.loads(folder.evaluated.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    kinds = {"inputs": dict, "files": dict, "rows": list, "examples": list, "main": str}
    whole = isinstance(found, dict) and all(isinstance(found.get(name), kind) for name, kind in kinds.items())
    return found if whole else {}


def source_hash(package: Path) -> str:
    """Of a package's Python files and their places: in a checkout they change without a new version."""
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        digest.update(f"{path.relative_to(package)} {file_digest(path)}\n".encode())
    return digest.hexdigest()


def _digest(dataset: RetrievalDataset) -> str:
    """Of the queries with their targets and common wordings, in order."""
    digest = hashlib.sha256()
    for query in dataset.queries:
        known = dataset.targets[query.query_id], dataset.reference.get(query.query_id)
        digest.update(f"{json.dumps([query.query_id, query.text, query.image, *known])}\n".encode())
    return digest.hexdigest()


def _digests(folder: RunFolder) -> dict[str, str]:
    paths = (path for path in folder.evaluation.rglob("*") if path.is_file() and path != folder.evaluated)
    return _digests_of(paths, folder.evaluation)


def _digests_of(paths: Iterable[Path], folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): file_digest(path) for path in sorted(paths)}


def _values(evaluated: Evaluated) -> dict[str, Any]:
    """As JSON values; of documents their ids."""
    return {
        "main": evaluated.main,
        "rows": [row.as_json() for row in evaluated.rows],
        "examples": [
            {
                "split": group.split,
                "outcome": group.outcome.name,
                "total": group.total,
                "examples": [_example_values(example) for example in group.examples],
            }
            for group in evaluated.examples
        ],
    }


def _example_values(example: Example) -> dict[str, Any]:
    ids = {name: [document.doc_id for document in getattr(example, name)] for name in ("targets", "before", "after")}
    return {"delta": dataclasses.asdict(example.delta), **ids}


def _read(kept: Mapping[str, Any], parts: Parts) -> Evaluated:
    """The opposite of `_values`."""
    groups = []
    for group in kept["examples"]:
        documents = documents_by_id(parts.dataset(group["split"]).documents)
        shown = tuple(_example(values, documents) for values in group["examples"])
        groups.append(ExampleGroup(group["split"], Outcome[group["outcome"]], group["total"], shown))
    rows = tuple(row_from_json(values) for values in kept["rows"])
    return Evaluated(main=kept["main"], rows=rows, examples=tuple(groups))


def _example(values: Mapping[str, Any], documents: Mapping[str, Document]) -> Example:
    delta = QueryDelta(**{**values["delta"], "concepts": tuple(values["delta"]["concepts"])})
    targets, before, after = (
        tuple(documents[doc_id] for doc_id in values[name]) for name in ("targets", "before", "after")
    )
    return Example(delta, targets, before, after)
