"""`raqo evaluate`: every system against the raw query, on held-out data, in both directions where asked."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from raqo.errors import ConfigError, DataError, message
from raqo.evaluation.compare import ORACLE, Comparison, EvaluationRow, System, compare, correct
from raqo.evaluation.deltas import query_deltas, write_deltas
from raqo.evaluation.examples import ExampleGroup, choose_examples
from raqo.evaluation.task import image_to_text, text_to_image
from raqo.evaluation.trec import write_qrels, write_run
from raqo.graphs.gate import Gate
from raqo.graphs.rewriting import rewrite_queries
from raqo.protocols import Retriever, Rewriter
from raqo.records import Direction, Query, RetrievalDataset, RewriteResult
from raqo.workflows.build_data import check_encoder, read_gate
from raqo.workflows.open_rewriter import open_rewriter
from raqo.workflows.parts import Parts
from raqo.workflows.progress import bar
from raqo.workflows.run_folder import RunFolder

BATCHES_AT_ONCE = 4
"""Batches of the rewriter in one pass of the graph: enough for all cores, few enough to see them move."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluated:
    """The rows of all tasks, corrected together, and the examples of the main system."""

    main: str
    rows: tuple[EvaluationRow, ...]
    examples: tuple[ExampleGroup, ...]


def run_evaluation(parts: Parts, folder: RunFolder) -> Evaluated:
    """Evaluate the run's models on the configured data sets; writes TREC runs and per-query changes as well."""
    models = model_folders(parts, folder)
    check_encoder(parts, folder)
    main = list(models)[-1]
    gate = read_gate(folder)
    rows: list[EvaluationRow] = []
    examples: list[ExampleGroup] = []
    sets = require_evaluation_sets(parts)
    total = sum(len(dataset.queries) for dataset, _ in sets) * len(models)
    with bar("evaluate", total, "rewrites") as shown:
        loaded = {
            name: open_rewriter(path, parts.config.rewriter, served=name == main) for name, path in models.items()
        }
        for dataset, retriever in sets:
            systems: dict[str, System] = {}
            if dataset.reference:
                systems[ORACLE] = System(texts=dataset.reference)
            for name, rewriter in loaded.items():
                size = parts.config.rewriter.batch_size
                systems[name] = _rewritten(dataset.queries, retriever, rewriter, gate, size, shown.update)
            compared = _compared(parts, dataset, retriever, systems)
            for comparison in compared:
                rows += comparison.rows
                _write_files(comparison, folder.evaluation)
            t2i = next((found for found in compared if found.task.direction is Direction.T2I), None)
            if t2i:
                settings = parts.config.evaluation
                examples += choose_examples(t2i, main, dataset, per_outcome=settings.examples, seed=settings.seed)
    folder.save(parts.config)
    return Evaluated(main=main, rows=tuple(correct(rows)), examples=tuple(examples))


def require_evaluation_sets(parts: Parts) -> list[tuple[RetrievalDataset, Retriever]]:
    """The evaluation sets, each with its retriever: whatever is wrong with one of them is said at once.

    Raises:
        ConfigError: none is named, or one of texts is to be searched by pictures.
        DataError: one cannot be read.
    """
    if not parts.config.data.evaluate:
        raise ConfigError(message("data.evaluate", "no data set is given", "name at least one held-out data set"))
    for name in parts.config.data.evaluate:
        documents = parts.dataset(name).documents
        if Direction.I2T in parts.config.directions and documents[0].image is None:
            problem = f"i2t searches with pictures, and the documents of {name!r} are texts"
            raise ConfigError(message("directions", problem, "evaluate text corpora in direction t2i only"))
    return [parts.searchable(name) for name in parts.config.data.evaluate]


def final_model(folder: RunFolder) -> tuple[str, Path]:
    """The rewriter that a run ends with: its name in the table, and its folder.

    Raises:
        DataError: there is none.
    """
    stages = [stage for stage in ("ccd", "qre", "pro") if (folder.models / stage).is_dir()]
    if "qre" not in stages:
        raise DataError(message(str(folder.models), "there is no trained rewriter", "run `raqo train all` first"))
    return "+".join(stages), folder.models / stages[-1]


def model_folders(parts: Parts, folder: RunFolder) -> dict[str, Path]:
    """The rewriters to compare by their name in the table, the final one last."""
    name, final = final_model(folder)
    if not parts.config.ablations:
        return {name: final}
    found = {"base": parts.base_model, "qre": folder.ablation / "qre", "ccd+qre": folder.models / "qre", name: final}
    return {name: path for name, path in found.items() if path.is_dir()}


def _rewritten(
    queries: Sequence[Query],
    retriever: Retriever,
    rewriter: Rewriter,
    gate: Gate,
    size: int,
    done: Callable[[int], object],
) -> System:
    started, results = time.monotonic(), list[RewriteResult]()
    for start in range(0, len(queries), size * BATCHES_AT_ONCE):
        part = queries[start : start + size * BATCHES_AT_ONCE]
        results += rewrite_queries(part, retriever=retriever, rewriter=rewriter, gate=gate, k=10)
        done(len(part))
    return System(
        texts={result.query.query_id: result.final_text for result in results},
        results={result.query.query_id: result for result in results},
        seconds=time.monotonic() - started,
    )


def _compared(
    parts: Parts, dataset: RetrievalDataset, retriever: Retriever, systems: Mapping[str, System]
) -> list[Comparison]:
    settings = parts.config.evaluation
    found = []
    for direction in parts.config.directions:
        if direction is Direction.T2I:
            task = text_to_image(dataset, retriever, depth=settings.depth)
        else:
            task = image_to_text(dataset, parts.gallery, depth=settings.depth)
        found.append(compare(systems, task, settings))
    return found


def _write_files(comparison: Comparison, folder: Path) -> None:
    place = folder / f"{comparison.task.split}-{comparison.task.direction.value}"
    place.mkdir(parents=True, exist_ok=True)
    write_qrels(place / "qrels.txt", comparison.task.targets)
    for name, rankings in comparison.rankings.items():
        write_run(place / f"{name}.run", rankings, tag=name)
        write_deltas(place / f"{name}.jsonl", query_deltas(comparison, name))


def read_losses(folder: RunFolder) -> dict[str, list[tuple[float, float]]]:
    """Loss curves of the trained stages."""
    losses = {}
    for stage in ("ccd", "qre", "pro"):
        path = folder.models / stage / "metrics.jsonl"
        if path.is_file():
            lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
            losses[stage] = [(line["step"], line["loss"]) for line in lines if "loss" in line]
    return losses
