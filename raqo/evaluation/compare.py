"""Compare systems (ways to word the same queries) with the queries as they came, on one task."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from raqo.errors import DataError, message
from raqo.evaluation.metrics import PerQuery, means, per_query
from raqo.evaluation.settings import EvaluationSettings
from raqo.evaluation.significance import changes, holm, paired_p_value
from raqo.evaluation.task import Task, Texts
from raqo.records import Direction, Ranking, RewriteResult

RAW = "raw"
ORACLE = "oracle"
# how `EvaluationRow.lost` is called in tables and files, with the cut-off behind it
LOST = "lost@"


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """One way to word the queries.

    Attributes:
        texts: wording of every query of the split.
        results: what the served graph did, by query id; empty where no graph was involved (oracle).
        seconds: time taken to make all the wordings.
        cost: money spent on them, in US dollars.
    """

    texts: Texts
    results: Mapping[str, RewriteResult] = field(default_factory=dict)
    seconds: float = 0.0
    cost: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationRow:
    """One line of the table.

    Attributes:
        metrics: mean over queries of every metric of `metrics.per_query`.
        helped: queries that gained a target among the first `first_cutoff` (rank 1 by default) against `raw`.
        harmed: queries that lost it.
        lost: queries that lost every target among the first `last_cutoff`: what `harmed` cannot show of those that had
            none at rank 1.
        p_value: paired permutation test of the hits that `helped` counts against `raw`, two-sided; 1 for `raw` itself.
        p_holm: the same, corrected for all rows that were compared with `raw`.
        gap_recovered: (x - raw) / (oracle - raw) of recall at the first cut-off; ``None`` without an oracle above raw.
    """

    name: str
    direction: Direction
    split: str
    n: int
    metrics: Mapping[str, float]
    helped: int
    harmed: int
    unchanged: int
    p_value: float
    p_holm: float
    gap_recovered: float | None = None
    seconds_per_query: float = 0.0
    cost_per_query: float = 0.0
    lost: int = 0

    @property
    def first_cutoff(self) -> int:
        """The cut-off that hits, gaps and significance count."""
        return _cutoffs(self.metrics)[0]

    @property
    def last_cutoff(self) -> int:
        """The last of the cut-offs of recall."""
        return _cutoffs(self.metrics)[-1]

    def as_json(self) -> dict[str, Any]:
        """A flat object: the metrics stand beside the other fields; `lost` is called by its cut-off, as ``lost@10``."""
        fields = {item.name: getattr(self, item.name) for item in dataclasses.fields(self)}
        metrics, lost = fields.pop("metrics"), fields.pop("lost")
        return {
            "name": self.name,
            "direction": self.direction.value,
            "split": self.split,
            "n": self.n,
            **metrics,
            **{key: value for key, value in fields.items() if key not in ("name", "direction", "split", "n")},
            f"{LOST}{self.last_cutoff}": lost,
        }


def row_from_json(values: Mapping[str, Any]) -> EvaluationRow:
    """What `EvaluationRow.as_json` gave."""
    named = {item.name for item in dataclasses.fields(EvaluationRow)} & set(values)
    metrics = {name: value for name, value in values.items() if name not in named and not name.startswith(LOST)}
    (lost,) = (value for name, value in values.items() if name.startswith(LOST))
    fields = {name: values[name] for name in named}
    return EvaluationRow(**{**fields, "direction": Direction(values["direction"]), "metrics": metrics, "lost": lost})


@dataclass(frozen=True, slots=True)
class Comparison:
    """The rows of one task, with the rankings that they were computed from, by system."""

    task: Task
    rows: tuple[EvaluationRow, ...]
    rankings: Mapping[str, tuple[Ranking, ...]]
    systems: Mapping[str, System]


def compare(systems: Mapping[str, System], task: Task, settings: EvaluationSettings) -> Comparison:
    """Evaluate `raw` and the given systems on one task.

    Args:
        systems: by name, in the order of the table. ``raw`` is added first; ``oracle``, where given, closes the gap.
        task: made by `task.text_to_image` or `task.image_to_text`.
        settings: cut-offs, depth, permutations, seed.

    Raises:
        DataError: if a system has no wording for a query.
    """
    everything = {RAW: System(texts=task.texts), **{name: system for name, system in systems.items() if name != RAW}}
    for name, system in everything.items():
        _check_complete(name, system.texts, task.texts)
    rankings = {name: tuple(task.rank(system.texts)) for name, system in everything.items()}
    values = {name: per_query(ranked, task.targets, ks=settings.ks) for name, ranked in rankings.items()}
    rows = [_row(name, everything[name], task, values, settings) for name in everything]
    return Comparison(task, tuple(correct(rows)), rankings, everything)


def correct(rows: Sequence[EvaluationRow]) -> list[EvaluationRow]:
    """Apply Holm's correction over all the given rows except `raw`: use it on all rows that are reported together."""
    tested = [row for row in rows if row.name != RAW]
    corrected = iter(holm([row.p_value for row in tested]))
    return [row if row.name == RAW else dataclasses.replace(row, p_holm=next(corrected)) for row in rows]


def gap_recovered(value: float, raw: float, oracle: float) -> float | None:
    """Share of the distance between raw and oracle that was covered; ``None`` if the oracle is not above raw."""
    return (value - raw) / (oracle - raw) if oracle > raw else None


def _row(
    name: str, system: System, task: Task, values: Mapping[str, PerQuery], settings: EvaluationSettings
) -> EvaluationRow:
    key, last, n = f"recall@{settings.ks[0]}", f"recall@{settings.ks[-1]}", len(task.targets)
    mean = {other: means(values[other]) for other in (name, RAW, ORACLE) if other in values}
    hits = {other: values[other][key] for other in (name, RAW)}
    count = changes(hits[RAW], hits[name])
    p_value = paired_p_value(hits[RAW], hits[name], permutations=settings.permutations, seed=settings.seed)
    return EvaluationRow(
        name=name,
        direction=task.direction,
        split=task.split,
        n=n,
        metrics=mean[name],
        helped=count.helped,
        harmed=count.harmed,
        unchanged=count.unchanged,
        p_value=p_value,
        p_holm=p_value,
        gap_recovered=gap_recovered(mean[name][key], mean[RAW][key], mean[ORACLE][key]) if ORACLE in mean else None,
        seconds_per_query=system.seconds / max(1, len(system.texts)),
        cost_per_query=system.cost / max(1, len(system.texts)),
        lost=changes(values[RAW][last], values[name][last]).harmed,
    )


def _cutoffs(metrics: Mapping[str, float]) -> list[int]:
    """Of recall, in their order."""
    return [int(name.removeprefix("recall@")) for name in metrics if name.startswith("recall@")]


def _check_complete(name: str, texts: Texts, expected: Texts) -> None:
    missing = [query_id for query_id in expected if query_id not in texts]
    if missing:
        problem = f"no wording for {len(missing)} of {len(expected)} queries (first: {missing[0]!r})"
        raise DataError(message(f"system {name!r}", problem, "give every query a wording, its own if it was kept"))
