"""Wordings that may stand for the spans of a query: corpus phrases near in meaning, and synonyms from WordNet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from raqo.agents.spans import Span, is_content
from raqo.agents.vocabulary import Neighbour, Vocabulary
from raqo.agents.wordnet import WordNet

# A WordNet synonym that is not among a span's neighbours counts as this near.
SYNONYM_COSINE = 0.6


@dataclass(frozen=True, slots=True)
class Edit:
    """A span with a wording for it.

    Attributes:
        cosine: how near the wording is in meaning.
        prior: what speaks for it before it is tried; higher is better.
    """

    span: Span
    wording: str
    cosine: float
    prior: float


class Wordings:
    """Looks up what else may be said for a span.

    Args:
        vocabulary: phrases of the corpus.
        wordnet: synonyms, of which those that the corpus uses are taken.
        k: corpus phrases for each span.
        min_cosine: a phrase further away means something else.
        commonness: what a phrase's frequency counts beside its cosine.
        commoner_by: a wording must be this many times as frequent as any content word of the span.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        wordnet: WordNet | None,
        *,
        k: int,
        min_cosine: float,
        commonness: float,
        commoner_by: float,
    ) -> None:
        self._vocabulary = vocabulary
        self._wordnet = wordnet
        self._k = k
        self._min_cosine = min_cosine
        self._commonness = commonness
        self._commoner_by = commoner_by

    def __call__(self, forms: Iterable[str]) -> dict[str, list[Neighbour]]:
        """Wordings for each distinct casefolded span."""
        distinct = list(dict.fromkeys(forms))
        rows = self._vocabulary.neighbours(distinct, k=self._k, commonness=self._commonness)
        return {form: self._near(form, row) for form, row in zip(distinct, rows, strict=True)}

    def _near(self, form: str, row: Sequence[Neighbour]) -> list[Neighbour]:
        near = [found for found in row if found.cosine >= self._min_cosine]
        if self._wordnet:
            known = {found.text for found in near}
            counted = [(text, self._vocabulary.count(text)) for text in self._wordnet.synonyms(form)]
            near += [
                Neighbour(text, SYNONYM_COSINE, SYNONYM_COSINE, count) for text, count in counted if text not in known
            ]
        said = max((self._vocabulary.count(word) for word in form.split() if is_content(word)), default=0)
        floor = max(1.0, self._commoner_by * said)
        return [found for found in near if found.count >= floor]


def likeliest(
    spans: Sequence[tuple[Span, Sequence[Neighbour]]], feedback: Mapping[str, float], *, per_span: int, most: int
) -> list[Edit]:
    """Choose which wordings are worth a try.

    Args:
        spans: the spans of one query with their wordings.
        feedback: what the retriever thinks of each wording alone, added to its score.
        per_span: wordings chosen for one span at most.
        most: wordings chosen at most.
    """
    edits = [
        Edit(span, near.text, near.cosine, round(near.score + feedback[near.text], 6))
        for span, wordings in spans
        for near in wordings
    ]
    taken: Counter[Span] = Counter()
    chosen = []
    for edit in sorted(_meant(edits), key=lambda edit: (-edit.prior, edit.span, edit.wording)):
        taken[edit.span] += 1
        if taken[edit.span] <= per_span:
            chosen.append(edit)
    return chosen[:most]


def _meant(edits: Iterable[Edit]) -> list[Edit]:
    """Of overlapping spans with one wording keep the nearest: "red" is for "crimson", not for "crimson dinghy"."""
    kept: dict[str, list[Edit]] = {}
    for edit in sorted(edits, key=lambda edit: (-edit.cosine, edit.span)):
        same = kept.setdefault(edit.wording, [])
        if all(edit.span.last <= other.span.first or other.span.last <= edit.span.first for other in same):
            same.append(edit)
    return [edit for same in kept.values() for edit in same]
