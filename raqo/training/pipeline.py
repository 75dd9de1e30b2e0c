"""The chain of stages CCD-SFT -> QRE-SFT -> PRO, each in a folder of its own that explains itself and is reused."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import raqo
from raqo.agents.prompts import prompt_hash
from raqo.agents.rewriter import weights_hash
from raqo.errors import DataError, FingerprintError, RunFolderError, message
from raqo.files import recover
from raqo.training.manifest import Inputs, Manifest, differences, read_manifest
from raqo.training.rows import Pair, TrainingData, rows_hash
from raqo.training.settings import SftSettings, TrainingSettings
from raqo.training.stage_folder import close_partial, open_partial, writing

Stage = Literal["ccd", "qre", "pro"]
IfExists = Literal["fail", "resume", "replace"]
StageProgress = Callable[[str, int, int], None]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class StageResult:
    """A stage that is ready: its model folder, whether it was there already, its last metrics."""

    stage: Stage
    folder: Path
    reused: bool
    steps: int
    metrics: dict[str, float]


@dataclass(frozen=True, slots=True)
class _Job:
    """One stage about to be made."""

    stage: Stage
    rows: tuple[Any, ...]
    replay: tuple[Pair, ...]
    model_dir: Path
    inputs: Inputs


def train_stages(
    data: TrainingData,
    *,
    base_model: Path,
    out_dir: Path,
    settings: TrainingSettings,
    stages: Sequence[Stage] = ("ccd", "qre", "pro"),
    if_exists: IfExists = "resume",
    progress: StageProgress | None = None,
) -> list[StageResult]:
    """Train stages one on top of the other, each into ``out_dir/<stage>`` (safetensors, tokenizer, manifest, card).

    A finished stage whose inputs are the same is reused; one that was cut off goes on from its last checkpoint. Any
    choice of stages is possible: ``("qre",)`` is the paper's ablation without detection. A stage's folder can be the
    base model of a later call.

    Args:
        data: rows of the stages.
        base_model: folder of the model to start from.
        out_dir: where the stages' folders go.
        settings: of all stages.
        stages: which, in this order.
        if_exists: a stage that is there already: ``fail`` refuses; ``resume`` reuses it and refuses where its inputs
            were others; ``replace`` makes it anew where its inputs were others.
        progress: called with (stage, steps made, steps in all).

    Raises:
        DataError: a stage has no rows.
        FingerprintError: the base model was trained for another retriever than the rows are from.
        RunFolderError: a stage's folder is in the way.
    """
    _check(data, stages, base_model)
    results: list[StageResult] = []
    model_dir, lineage = base_model, _lineage(base_model)
    for stage in stages:
        job = _job(stage, data, settings, model_dir, lineage)
        result = _reuse(job, out_dir, if_exists) or _train(job, out_dir, settings, progress)
        results.append(result)
        model_dir, lineage = result.folder, (*lineage, stage)
    return results


def _check(data: TrainingData, stages: Sequence[Stage], base_model: Path) -> None:
    other = read_manifest(base_model).get("inputs", {}).get("retriever")
    if other and data.retriever and other != data.retriever:
        problem = f"was trained for retriever {other}, the rows are from {data.retriever}"
        raise FingerprintError(message(str(base_model), problem, "give rows of that retriever or another base model"))
    for stage in stages:
        if not getattr(data, stage):
            raise DataError(message(f"stage {stage}", "there are no rows for it", "mine more, or leave the stage out"))


def _lineage(folder: Path) -> tuple[str, ...]:
    """Stages a base model has been through, if one of ours."""
    found = read_manifest(folder)
    return (*found["inputs"]["lineage"], found["stage"]) if "stage" in found else ()


def _job(
    stage: Stage, data: TrainingData, settings: TrainingSettings, model_dir: Path, lineage: tuple[str, ...]
) -> _Job:
    options: SftSettings = getattr(settings, stage)
    rows = (*data.qre, *data.draft) if stage == "qre" else getattr(data, stage)
    learnt = data.ccd if stage == "qre" else (*data.ccd, *data.draft)
    replay = _replayed(learnt, round(options.replay * len(rows)), settings.seed) if "ccd" in lineage else ()
    inputs = Inputs(
        base_model=weights_hash(model_dir),
        lineage=lineage,
        rows=rows_hash(rows),
        replay=rows_hash(replay) if replay else "",
        settings=_decisive(options, settings),
        seed=settings.seed,
        retriever=data.retriever,
        prompts=prompt_hash("detect", "rewrite"),
        code_version=raqo.__version__,
    )
    return _Job(stage, rows, replay, model_dir, inputs)


def _decisive(options: SftSettings, settings: TrainingSettings) -> dict[str, Any]:
    """The settings that the weights depend on."""
    chosen = {name: value for name, value in asdict(options).items() if name != "save_steps"}
    return {**chosen, "lora": asdict(settings.lora) if settings.lora else None, "dtype": settings.dtype}


def _replayed(rows: Sequence[Pair], count: int, seed: int) -> tuple[Pair, ...]:
    """Draw rows without repeats; all of them where there are not more."""
    return tuple(random.Random(f"replay-{seed}").sample(list(rows), min(count, len(rows))))


def _reuse(job: _Job, out_dir: Path, if_exists: IfExists) -> StageResult | None:
    """Take the finished stage, or None if it is to be made."""
    folder = out_dir / job.stage
    recover(folder)
    if not folder.exists():
        return None
    if if_exists == "fail":
        raise RunFolderError(message(str(folder), "is there already", "give --if-exists resume or another --out"))
    found = read_manifest(folder)
    changed = differences(job.inputs, found.get("inputs") or {})
    if not changed and found["weights"] == weights_hash(folder):
        _log.info("stage %s: %s has the same inputs, reused", job.stage, folder)
        return StageResult(
            stage=job.stage, folder=folder, reused=True, steps=found["steps"], metrics=dict(found["metrics"])
        )
    if if_exists == "resume":
        problem = f"was made with another {', '.join(changed)}" if changed else "its weights were changed afterwards"
        raise RunFolderError(message(str(folder), problem, "give --if-exists replace or another --out"))
    return None


def _train(job: _Job, out_dir: Path, settings: TrainingSettings, progress: StageProgress | None) -> StageResult:
    folder = out_dir / job.stage
    partial = open_partial(folder, job.inputs)
    with writing(partial):
        manifest = _run(job, partial, settings, progress)
        close_partial(partial, folder, manifest)
    return StageResult(
        stage=job.stage, folder=folder, reused=False, steps=manifest.steps, metrics=dict(manifest.metrics)
    )


def _run(job: _Job, partial: Path, settings: TrainingSettings, progress: StageProgress | None) -> Manifest:
    # TRL and the trainers take seconds to import, so only where there is something to train
    from raqo.training.pro_trainer import train_pro
    from raqo.training.sft import train_sft

    common: dict[str, Any] = {
        "model_dir": job.model_dir,
        "out_dir": partial,
        "lora": settings.lora,
        "dtype": settings.dtype,
        "seed": settings.seed,
        "progress": (lambda done, total: progress(job.stage, done, total)) if progress else None,
    }
    if job.stage == "pro":
        result = train_pro(job.rows, replay=job.replay, settings=settings.pro, **common)
    else:
        result = train_sft([*job.rows, *job.replay], settings=getattr(settings, job.stage), **common)
    return Manifest(
        stage=job.stage,
        inputs=job.inputs,
        rows=result.rows,
        too_long=result.too_long,
        steps=result.steps,
        metrics=result.metrics,
        weights=weights_hash(partial),
    )
