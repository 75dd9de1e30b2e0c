"""Which queries the report shows: drawn by chance from every outcome, never the best ones only."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from raqo.errors import DataError, message
from raqo.evaluation.compare import RAW, Comparison
from raqo.evaluation.deltas import QueryDelta, query_deltas
from raqo.records import Direction, Document, KeptReason, RetrievalDataset
from raqo.retrievers.bm25.stored_passages import documents_by_id

SHOWN = 5


class Outcome(StrEnum):
    """What came of a query; the value is the heading of the report."""

    HELPED = "Helped"
    HARMED = "Harmed"
    NEUTRAL = "Rewritten, nothing gained or lost"
    KEPT = "Kept as it was"


@dataclass(frozen=True, slots=True)
class Example:
    """One query with what it found before and after.

    Attributes:
        delta: the wordings, concepts, ranks and the reason for keeping it.
        targets: the relevant documents.
        before: the first documents found with the raw wording.
        after: the same with the system's wording.
    """

    delta: QueryDelta
    targets: tuple[Document, ...]
    before: tuple[Document, ...]
    after: tuple[Document, ...]


@dataclass(frozen=True, slots=True)
class ExampleGroup:
    """Some of the queries of one split with one outcome, and how many there were."""

    split: str
    outcome: Outcome
    total: int
    examples: tuple[Example, ...]


def choose_examples(
    comparison: Comparison, name: str, dataset: RetrievalDataset, *, per_outcome: int = 6, seed: int = 0
) -> tuple[ExampleGroup, ...]:
    """Draw examples of every outcome by seed; a group without any is given as well (total 0).

    Args:
        comparison: of text queries with documents (t2i).
        name: the system to show against `raw`.
        dataset: the data set that was compared, for its documents.
        per_outcome: examples of each outcome at most.
        seed: seed of the draw.

    Raises:
        DataError: if the comparison is not t2i.
    """
    if comparison.task.direction is not Direction.T2I:
        where, problem = "examples", f"expected direction t2i, got {comparison.task.direction.value}"
        raise DataError(message(where, problem, "choose examples from the text-to-image comparison"))
    documents = documents_by_id(dataset.documents)
    rows: dict[Outcome, list[int]] = {outcome: [] for outcome in Outcome}
    deltas, k = query_deltas(comparison, name), comparison.rows[0].first_cutoff
    for row, delta in enumerate(deltas):
        rows[outcome_of(delta, k)].append(row)
    groups = []
    for outcome, members in rows.items():
        drawn = sorted(random.Random(f"{seed}-{outcome.name}").sample(members, min(per_outcome, len(members))))
        shown = tuple(_example(comparison, name, row, deltas[row], documents) for row in drawn)
        groups.append(ExampleGroup(comparison.task.split, outcome, len(members), shown))
    return tuple(groups)


def outcome_of(delta: QueryDelta, k: int) -> Outcome:
    """Helped or harmed by the hit among the first k, as in the table."""
    before, after = (rank is not None and rank <= k for rank in (delta.rank_before, delta.rank_after))
    if before != after:
        return Outcome.HELPED if after else Outcome.HARMED
    kept = delta.kept not in ("", KeptReason.NONE.value) or delta.text == delta.raw_text
    return Outcome.KEPT if kept else Outcome.NEUTRAL


def _example(
    comparison: Comparison, name: str, row: int, delta: QueryDelta, documents: Mapping[str, Document]
) -> Example:
    def found(system: str) -> tuple[Document, ...]:
        return tuple(documents[hit.doc_id] for hit in comparison.rankings[system][row].hits[:SHOWN])

    targets = tuple(documents[doc_id] for doc_id in comparison.task.targets[delta.query_id] if doc_id in documents)
    return Example(delta, targets, found(RAW), found(name))
