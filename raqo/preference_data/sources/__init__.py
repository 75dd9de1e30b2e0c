"""Data sources: captioned images and text corpora in the formats that people have them in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from raqo.errors import DataError
from raqo.preference_data.sources import beir, coco, csv_table, huggingface, karpathy
from raqo.preference_data.sources.captioned import i2t_view
from raqo.preference_data.sources.detect import detect
from raqo.preference_data.sources.problems import LoadReport, Problems, Reason
from raqo.preference_data.sources.settings import Format, SourceSettings
from raqo.records import Document, RetrievalDataset
from raqo.sample.dataset import sample_dataset

__all__ = ["LoadReport", "Reason", "SourceSettings", "i2t_view", "load_dataset", "load_with_report"]


def load_dataset(settings: SourceSettings) -> RetrievalDataset:
    """Load a data source; see `load_with_report`."""
    return load_with_report(settings)[0]


def load_with_report(
    settings: SourceSettings,
    *,
    corpus: Sequence[Document] | None = None,
    drawn: Callable[[int, int], None] | None = None,
) -> tuple[RetrievalDataset, LoadReport]:
    """Load a data source as text→image (text→text for BEIR), and say what was left out.

    Image files are checked to exist; whether they can be decoded shows when their gallery is made.

    Args:
        settings: of the source.
        corpus: the documents of a BEIR folder, where they were read before; handed on as they are.
        drawn: called with (pictures drawn, pictures in all) while the sample's are made.

    Raises:
        DataError: a bad entry (with ``on_error: fail``), an unreadable file, or nothing usable.
    """
    problems = Problems(settings.on_error)
    try:
        dataset = _load(detect(settings), settings, problems, corpus, drawn)
    except DataError:
        problems.report(documents=0, queries=0)  # where nothing is left, what was skipped is the cause
        raise
    return dataset, problems.report(documents=len(dataset.documents), queries=len(dataset.queries))


def _load(
    format: Format,
    settings: SourceSettings,
    problems: Problems,
    corpus: Sequence[Document] | None,
    drawn: Callable[[int, int], None] | None,
) -> RetrievalDataset:
    match format:
        case "csv":
            return csv_table.load(settings, problems)
        case "karpathy":
            return karpathy.load(settings, problems)
        case "coco":
            return coco.load(settings, problems)
        case "beir":
            return beir.load(settings, problems, corpus)
        case "sample":
            return sample_dataset(
                settings.split,
                cache_dir=Path(settings.cache or "runs/cache"),
                seed=settings.seed,
                limit=settings.limit,
                progress=drawn,
            )
        case _:
            return huggingface.load(settings, problems)
