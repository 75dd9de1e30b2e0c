"""`--dry-run` of the long verbs: what would be done and what reused. Writes nothing but caches, and loads no model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from raqo.config import IfExists, RunConfig
from raqo.errors import DataError, message
from raqo.preference_data.trace_log import read_traces
from raqo.records import Origin
from raqo.training.manifest import read_manifest
from raqo.workflows.parts import Parts
from raqo.workflows.run_folder import RunFolder

RUN = ("mine", "build-data", "train ccd", "train qre", "train pro", "evaluate")


def plan(config: RunConfig, out: Path, steps: Sequence[str], *, if_exists: IfExists) -> dict[str, str]:
    """Say for each step of a run what it would do.

    Args:
        config: of the run; the data it names are read.
        out: the run folder, which need not be there.
        steps: some of `RUN`, in its order.
        if_exists: as the step would get it.

    Raises:
        DataError: data that cannot be read, or a step whose input is not there and not made by the steps before it.
    """
    folder, parts = RunFolder(out), Parts(config)
    return {step: _said(step, steps, parts, folder, if_exists) for step in steps}


def _said(step: str, steps: Sequence[str], parts: Parts, folder: RunFolder, if_exists: IfExists) -> str:
    if step == "mine":
        return _mine(parts, folder)
    if step == "build-data":
        return _build(folder, made="mine" in steps)
    if step == "evaluate":
        return _evaluate(parts, folder, made="train qre" in steps)
    return _train(step.removeprefix("train "), folder, if_exists, made="build-data" in steps)


def _mine(parts: Parts, folder: RunFolder) -> str:
    queries = [query.query_id for query in parts.dataset("train").queries]
    done = set()
    if folder.traces.is_file():
        done = {trace.query_id for trace in read_traces(folder.traces) if trace.origin is Origin.OPTIMIZE}
    left = sum(query_id not in done for query_id in queries)
    with_whom = parts.config.chat.model if parts.config.chat and parts.config.reviewer == "chat" else "the lexicon"
    reused = f"; {len(queries) - left} are in {folder.traces.name} already" if done else ""
    return f"{left} of {len(queries)} queries with {with_whom}{reused} (`raqo mine --dry-run` estimates the cost)"


def _build(folder: RunFolder, *, made: bool) -> str:
    if not folder.traces.is_file():
        _require(made, folder.traces, "there is no trace log", "run `raqo mine` first")
        return "the data sets, from the traces of the step before"
    return f"the data sets, from {sum(1 for _ in read_traces(folder.traces))} traces that are there"


def _train(stage: str, folder: RunFolder, if_exists: IfExists, *, made: bool) -> str:
    _require(made or folder.data.is_dir(), folder.data, "there are no preference data", "run `raqo build-data` first")
    if not (folder.models / stage).is_dir():
        return "from the start"
    steps = read_manifest(folder.models / stage).get("steps", 0)
    other = {"replace": "made anew", "resume": "refused", "fail": "refused"}[if_exists]
    reused = "refused" if if_exists == "fail" else "reused where its inputs are the same"
    return f"a model of {steps} steps is there: {reused}, else {other}"


def _evaluate(parts: Parts, folder: RunFolder, *, made: bool) -> str:
    trained = (folder.models / "qre").is_dir()
    _require(made or trained, folder.models, "there is no trained rewriter", "run `raqo train all` first")
    counts = {name: len(parts.dataset(name).queries) for name in parts.config.data.evaluate}
    listed = ", ".join(f"{count} queries of {name}" for name, count in counts.items())
    kept = "; figures are there: reused where their inputs are the same" if folder.evaluated.is_file() else ""
    return f"{listed or 'nothing: data.evaluate names no data'} ({', '.join(parts.config.directions)}){kept}"


def _require(there: bool, path: Path, problem: str, fix: str) -> None:
    if not there:
        raise DataError(message(str(path), problem, fix))
