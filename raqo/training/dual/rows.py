"""What a dual encoder learns from: a question with its picture, a right passage, and perhaps a hard negative."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from raqo.errors import DataError, message
from raqo.preference_data.vl_ict import ClozeTriplet
from raqo.records import Question


@dataclass(frozen=True, slots=True)
class DualRow:
    """One pair to learn.

    Attributes:
        text: of the question.
        image: path of its picture, or None.
        positive: id of a passage that answers it.
        known: ids of all passages known to answer it; none of them is ever its negative.
        negative: id of its hard negative, or None.
    """

    text: str
    image: str | None
    positive: str
    known: frozenset[str]
    negative: str | None = None


@dataclass(frozen=True, slots=True)
class DualData:
    """Rows, and the passages they name by id."""

    rows: tuple[DualRow, ...]
    passages: Mapping[str, str] = field(repr=False)

    def __post_init__(self) -> None:
        named = {one for row in self.rows for one in (row.positive, row.negative) if one is not None}
        missing = sorted(named - self.passages.keys())
        if missing:
            problem = f"{len(missing)} passages are named and not given, the first {missing[0]!r}"
            raise DataError(message("dual rows", problem, "give the texts of the whole corpus"))


def question_data(
    questions: Sequence[Question], passages: Mapping[str, str], negatives: Mapping[str, str] | None = None
) -> DualData:
    """One row for each question and each of its targets.

    Args:
        questions: those without targets give no row.
        passages: document id to text.
        negatives: query id to the id of its hard negative (`hard_negatives.mine_hard_negatives`).
    """
    drawn = negatives or {}
    rows = tuple(
        DualRow(one.query.text, one.query.image, target, frozenset(one.targets), drawn.get(one.query.query_id))
        for one in questions
        for target in one.targets
    )
    return DualData(rows, passages)


def cloze_data(triplets: Iterable[ClozeTriplet]) -> DualData:
    """One row for each triplet of VL-ICT; equal passages share an id, so that none is a negative of itself."""
    ids: dict[str, str] = {}
    rows = []
    for triplet in triplets:
        own = ids.setdefault(triplet.passage, f"cloze-{len(ids):07d}")
        rows.append(DualRow(triplet.sentence, triplet.image, own, frozenset((own,))))
    return DualData(tuple(rows), {own: text for text, own in ids.items()})
