"""`raqo train ccd|qre|pro|all`: the stages on the run's preference data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from raqo.config import IfExists
from raqo.errors import DataError, message
from raqo.preference_data.export import verify
from raqo.sample.weights import UNKNOWN_WORDS
from raqo.training.fragments import fragment_rows
from raqo.training.pipeline import Stage, StageResult, train_stages
from raqo.training.rows import read_training_data
from raqo.training.unknown_words import read_words, unknown_word_rows
from raqo.workflows.parts import Parts
from raqo.workflows.progress import late_bar, say
from raqo.workflows.run_folder import RunFolder

STAGES: tuple[Stage, ...] = ("ccd", "qre", "pro")


def run_training(
    parts: Parts, folder: RunFolder, *, stages: Sequence[Stage] = STAGES, if_exists: IfExists = "resume"
) -> list[StageResult]:
    """Train stages one on top of the other into the run's ``models`` folder.

    A single later stage continues from the stage before it, which must be there.
    """
    before = STAGES[: STAGES.index(stages[0])]
    base = folder.models / before[-1] if before else parts.base_model
    return _train(parts, folder, base, folder.models, stages, if_exists)


def run_ablation(parts: Parts, folder: RunFolder, *, if_exists: IfExists = "resume") -> list[StageResult]:
    """Train QRE-SFT alone, without detection before it (the paper's ablation)."""
    return _train(parts, folder, parts.base_model, folder.ablation, ("qre",), if_exists)


def _train(
    parts: Parts, folder: RunFolder, base: Path, out: Path, stages: Sequence[Stage], if_exists: IfExists
) -> list[StageResult]:
    if not folder.data.is_dir():
        raise DataError(message(str(folder.data), "there are no preference data", "run `raqo build-data` first"))
    data = read_training_data(folder.data, retriever=str(verify(folder.data)["retriever"]))
    settings = replace(parts.config.training, seed=parts.config.seed)
    if settings.unknown_words:
        words = read_words(UNKNOWN_WORDS if settings.unknown_words == "sample" else Path(settings.unknown_words))
        strange = unknown_word_rows(folder.data, words, share=settings.unknown_share, seed=settings.seed)
        data = replace(data, ccd=(*data.ccd, *strange))
    if settings.fragments:
        parted = fragment_rows(folder.data, share=settings.fragments, seed=settings.seed)
        data = replace(
            data,
            ccd=(*data.ccd, *parted.ccd),
            qre=(*data.qre, *parted.qre),
            draft=(*data.draft, *parted.draft),
        )
    results = []
    for stage in stages:
        label = stage if out == folder.models else f"{stage} alone"
        with late_bar(f"train {label}", "steps") as move:
            (result,) = train_stages(
                data,
                base_model=base,
                out_dir=out,
                settings=settings,
                stages=(stage,),
                if_exists=if_exists,
                progress=lambda _, done, total, move=move: move(done, total),  # type: ignore[misc]
            )
        if result.reused:
            say(f"train {label}: {result.folder} has the same inputs, reused")
        results.append(result)
        base = result.folder
    folder.save(parts.config)
    return results
