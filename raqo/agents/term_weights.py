"""Queries whose keywords weigh by where they come from (QueryFormer, adaptive term importance weighting)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from raqo.agents.spans import is_content, words_of
from raqo.errors import ConfigError, message
from raqo.protocols import Resolution
from raqo.records import Query
from raqo.retrievers.weighted_query import WeightedQuery

# beside the function words of `raqo.agents.spans`: they ask, and name nothing
_ASKING = frozenset(
    [
        "what",
        "how",
        "why",
        "can",
        "could",
        "would",
        "should",
        "will",
        "does",
        "many",
        "much",
        "often",
        "must",
        "may",
        "might",
        "there",
        "not",
        "be",
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TermWeights:
    """How much words count in a search. The paper states no weights; these are ours.

    Attributes:
        explicit: content words of the question.
        other: its function words (*what*, *does*, *of*).
        pointing: its words that only point at the picture, once it is known what they point at.
        implicit: keywords that only the picture gives, times their likelihood.
        expansion: words of the expansion; of more than `expansion_words`, each counts the less the more there are.
        expansion_words: words of an expansion that count in full.
    """

    explicit: float = 1.0
    other: float = 0.5
    pointing: float = 0.0
    implicit: float = 1.0
    expansion: float = 0.5
    expansion_words: int = 4

    def __post_init__(self) -> None:
        for name in ("explicit", "other", "pointing", "implicit", "expansion"):
            value = getattr(self, name)
            if not (value >= 0 and math.isfinite(value)):
                raise ConfigError(message(f"weights.{name}", f"got {value}", "give a number from 0"))
        if self.expansion_words < 1:
            raise ConfigError(message("weights.expansion_words", f"got {self.expansion_words}", "give at least 1"))


def weigh(query: Query, resolution: Resolution, expansion: str, weights: TermWeights) -> WeightedQuery:
    """The query that is searched: its words by their kind, the picture's keywords, and the expansion.

    Its text, for retrievers that read texts, is the resolved question with the expansion appended.
    """
    pointing = frozenset(resolution.pointing)
    terms = [(word.form, _weight(word.form, pointing, weights)) for word in words_of(query.text)]
    terms += [(keyword, weights.implicit * likelihood) for keyword, likelihood in resolution.implicit]
    added = words_of(expansion)
    share = weights.expansion * min(1.0, weights.expansion_words / max(len(added), 1))
    terms += [(word.form, share) for word in added]
    text = f"{resolution.text} {expansion}".strip()
    return WeightedQuery(query.query_id, text, query.image, terms=tuple((t, w) for t, w in terms if w > 0))


def is_keyword(form: str) -> bool:
    """Whether a casefolded word names something: neither a function word nor one that only asks."""
    return is_content(form) and form not in _ASKING


def _weight(form: str, pointing: frozenset[str], weights: TermWeights) -> float:
    if form in pointing:
        return weights.pointing
    return weights.explicit if is_keyword(form) else weights.other
