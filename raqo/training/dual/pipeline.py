"""The runs of a dual encoder, each in a folder that is whole or not there, resumed or reused by its inputs."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import raqo
from raqo.errors import DataError
from raqo.files import put_in_place, recover, write_json
from raqo.retrievers.dual.folder import read_record, weights_of
from raqo.training.dual.rows import DualData
from raqo.training.dual.settings import DualRunSettings, DualSettings
from raqo.training.stage_folder import writing
from raqo.training.trainer_setup import CHECKPOINTS, Progress

_STARTED = "inputs.json"


def start_from(settings: DualSettings, texts: Iterable[str], folder: Path) -> Path:
    """Write the dual encoder that training starts from (`dual_start.write_start`) into `folder`, and return it."""
    from raqo.training.dual.start import write_start

    partial = _fresh(folder)
    with writing(partial):
        write_start(settings, texts, partial)
        put_in_place(partial, folder)
    return folder


def run_dual_training(
    data: DualData,
    *,
    start: Path,
    folder: Path,
    settings: DualRunSettings,
    seed: int = 0,
    progress: Progress | None = None,
) -> Path:
    """Train into `folder` and return it.

    A folder with the same inputs is taken as it is; a run that was cut off goes on from its last checkpoint; a folder
    with other inputs is replaced once the new one is whole.

    Args:
        data: rows and passages.
        start: the dual encoder to start from.
        folder: receives the dual encoder and ``metrics.jsonl``.
        settings: of loss and optimiser.
        seed: of the order of rows and of dropout.
        progress: called with (steps made, steps in all).

    Raises:
        DataError: unusable rows or an unusable start.
        RunFolderError: the folder cannot be written; what was done stays.
    """
    # the trainer takes seconds to import
    from raqo.training.dual.trainer import train_dual_encoder

    inputs = _inputs(data, start, settings, seed)
    recover(folder)
    if _finished(folder) == inputs:
        return folder
    partial = folder.with_name(f".{folder.name}.partial")
    if _read(partial / _STARTED) != inputs:
        partial = _fresh(folder)
    with writing(partial):
        write_json(partial / _STARTED, inputs)
        train_dual_encoder(
            data,
            model_dir=start,
            out_dir=partial,
            settings=settings,
            seed=seed,
            made_from=inputs,
            progress=progress,
        )
        shutil.rmtree(partial / CHECKPOINTS, ignore_errors=True)
        (partial / _STARTED).unlink()
        put_in_place(partial, folder)
    return folder


def _inputs(data: DualData, start: Path, settings: DualRunSettings, seed: int) -> dict[str, Any]:
    """Everything that decides the weights, as JSON holds it."""
    digest = hashlib.sha256()
    for row in data.rows:
        named = (row.positive, row.negative or "")
        content = [row.text, row.image or "", sorted(row.known), *(data.passages.get(one, "") for one in named)]
        digest.update(json.dumps([*named, *content]).encode())
    return {
        "start": weights_of(start),
        "rows": len(data.rows),
        "data": digest.hexdigest(),
        "settings": asdict(settings),
        "seed": seed,
        "raqo": raqo.__version__,
    }


def _finished(folder: Path) -> Any:
    try:
        return read_record(folder)["made_from"].get("inputs")
    except DataError:
        return None


def _fresh(folder: Path) -> Path:
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    return partial


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
