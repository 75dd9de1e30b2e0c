"""What a system did to each single query."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from raqo.evaluation.compare import RAW, Comparison
from raqo.evaluation.metrics import target_ranks
from raqo.files import write_text
from raqo.records import Ranking

SEPARATOR = " | "


@dataclass(frozen=True, slots=True)
class QueryDelta:
    """One query before and after.

    Attributes:
        query_id: the searching item: a text query (t2i) or an image (i2t).
        raw_text: the wording as it came; for an image all its captions, joined by `SEPARATOR`.
        text: the wording of the system, likewise.
        concepts: the challenging concepts detected in it.
        rank_before: rank of the first target found with the raw wording, ties against it; ``None`` beyond the depth.
        rank_after: the same with the system's wording.
        kept: why the query was kept (the value of a `KeptReason`); empty where no graph was involved.
    """

    query_id: str
    raw_text: str
    text: str
    concepts: tuple[str, ...]
    rank_before: int | None
    rank_after: int | None
    kept: str


def query_deltas(comparison: Comparison, name: str) -> list[QueryDelta]:
    """The deltas of one system, in the order of the task."""
    task, system = comparison.task, comparison.systems[name]
    before, after = comparison.rankings[RAW], comparison.rankings[name]
    deltas = []
    for raw, new in zip(before, after, strict=True):
        captions = task.captions[raw.query_id]
        results = [system.results[caption] for caption in captions if caption in system.results]
        deltas.append(
            QueryDelta(
                query_id=raw.query_id,
                raw_text=SEPARATOR.join(task.texts[caption] for caption in captions),
                text=SEPARATOR.join(system.texts[caption] for caption in captions),
                concepts=tuple(dict.fromkeys(concept for result in results for concept in result.concepts)),
                rank_before=_first(raw, task.targets[raw.query_id]),
                rank_after=_first(new, task.targets[raw.query_id]),
                kept=SEPARATOR.join(dict.fromkeys(result.kept.value for result in results)),
            )
        )
    return deltas


def write_deltas(path: Path, deltas: Iterable[QueryDelta]) -> None:
    """Write one JSON object per line. The write is atomic."""
    rows = (json.dumps(dataclasses.asdict(delta), ensure_ascii=False) for delta in deltas)
    write_text(path, "".join(f"{row}\n" for row in rows))


def _first(ranking: Ranking, targets: tuple[str, ...]) -> int | None:
    return next(iter(target_ranks(ranking, targets)), None)
