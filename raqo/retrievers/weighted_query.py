"""Queries whose terms weigh differently (QueryFormer, adaptive term importance weighting)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from raqo.errors import DataError, message
from raqo.records import Query


@dataclass(frozen=True, slots=True)
class WeightedQuery(Query):
    """A query that bm25 searches by `terms`, in Milvus too; any other retriever searches it by its text or picture.

    Attributes:
        terms: texts with their weights, from 0. Each word of a text has the text's weight; a word that occurs several
            times counts each time, and one that the corpus does not know counts nothing. ``((text, 1.0),)`` scores
            exactly as the plain text does. Without terms there are no hits.
    """

    terms: tuple[tuple[str, float], ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "terms", tuple((term, float(weight)) for term, weight in self.terms))
        for term, weight in self.terms:
            if not (weight >= 0 and math.isfinite(weight)):
                problem = f"the weight of {term!r} is {weight}, expected a number from 0"
                raise DataError(
                    message(f"query {self.query_id!r}", problem, "correct the weight or leave the term out")
                )
