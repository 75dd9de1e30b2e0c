"""How good an expansion is by what it retrieves: no ground truth is needed to serve it, and none is in reach.

An expansion taken from retrieved passages finds them again; that says nothing. So the passages are judged by somebody
who does not know the expansion (`Agreement`), or by whether they hold all of a query together (`Coverage`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from raqo.protocols import FloatArray, Retriever, TextEncoder
from raqo.records import Query, Ranking
from raqo.retrievers.weighted_query import WeightedQuery

DECIMALS = 6
_BLOCK = 256


class Feedback(Protocol):
    """Scores searches without ground truth; the scores of one question can be compared."""

    def __call__(
        self, questions: Sequence[str], queries: Sequence[WeightedQuery], rankings: Sequence[Ranking]
    ) -> list[float]:
        """Score each search, in the order given.

        Args:
            questions: what each search is about, resolved and without expansion.
            queries: as they were searched.
            rankings: what they found.
        """
        ...


class Agreement:
    """Mean cosine of the question with the first passages, by a sentence encoder that sees no expansion.

    The retriever finds by words, the encoder reads: what both hold good is likely right. -1 to 1; a missing passage
    counts 0. Each passage and question is encoded once in the life of the object.

    Args:
        encoder: a sentence encoder.
        texts: document id -> passage.
        depth: passages looked at.
    """

    def __init__(self, encoder: TextEncoder, texts: Mapping[str, str], *, depth: int) -> None:
        self._encoder = encoder
        self._texts = texts
        self._depth = depth
        self._rows: dict[str, FloatArray] = {}

    def __call__(
        self, questions: Sequence[str], queries: Sequence[WeightedQuery], rankings: Sequence[Ranking]
    ) -> list[float]:
        """Score each search; one call of the encoder for what is new."""
        found = [[self._texts[hit.doc_id] for hit in ranking.hits[: self._depth]] for ranking in rankings]
        self._encode([*questions, *(text for texts in found for text in texts)])
        return [self._score(question, texts) for question, texts in zip(questions, found, strict=True)]

    def _encode(self, texts: Sequence[str]) -> None:
        new = sorted({text for text in texts if text not in self._rows}, key=lambda text: (len(text), text))
        for start in range(0, len(new), _BLOCK):
            block = new[start : start + _BLOCK]
            self._rows.update(zip(block, self._encoder.encode_texts(block), strict=True))

    def _score(self, question: str, texts: Sequence[str]) -> float:
        row = self._rows[question].astype(np.float64)
        return round(sum(float(row @ self._rows[text]) for text in texts) / self._depth, DECIMALS)


class Coverage:
    """How much of a query its first passages hold together, by the retriever's own scores: 0 to 1.

    Their mean score, divided by what a passage would score that is the corpus's best one for every term of the query.
    Terms that do not occur together, such as a question about lifespans and the name of a tool, cover each other badly.
    Terms that no passage holds count nothing.

    Args:
        retriever: whose scores add up over the terms of a query, as those of bm25 do.
        depth: passages looked at.
    """

    def __init__(self, retriever: Retriever, *, depth: int) -> None:
        self._retriever = retriever
        self._depth = depth

    def __call__(
        self, questions: Sequence[str], queries: Sequence[WeightedQuery], rankings: Sequence[Ranking]
    ) -> list[float]:
        """Score each search; one search for all distinct terms."""
        terms = sorted({term for query in queries for term, _ in query.terms})
        alone = self._retriever.search([Query(term, term) for term in terms], k=1)
        best = {term: found.hits[0].score if found.hits else 0.0 for term, found in zip(terms, alone, strict=True)}
        return [self._covered(query, found, best) for query, found in zip(queries, rankings, strict=True)]

    def _covered(self, query: WeightedQuery, ranking: Ranking, best: Mapping[str, float]) -> float:
        possible = sum(weight * best[term] for term, weight in query.terms)
        total = sum(hit.score for hit in ranking.hits[: self._depth])
        return round(total / self._depth / possible, DECIMALS) if possible > 0 else 0.0
