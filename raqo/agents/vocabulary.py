"""The phrases of a corpus with their counts, and which of them mean something near a given span."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from raqo.agents.spans import is_content, may_be_edge, runs_of, words_of
from raqo.errors import DataError, message
from raqo.protocols import FloatArray, TextEncoder

# Rows of every product: with one shape the result of a row does not depend on the other rows.
_BLOCK = 64
_DECIMALS = 4
# A phrase takes at least this share of all occurrences of its rarest content word: "traffic light", not "red boat".
_COLLOCATION = 1 / 3
_Counted = TypeVar("_Counted", str, tuple[str, ...])


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A phrase of the corpus near a span.

    Attributes:
        cosine: sentence-encoder cosine of span and phrase.
        score: the cosine with the phrase's commonness added, what neighbours are ordered by.
        count: occurrences in the corpus.
    """

    text: str
    cosine: float
    score: float
    count: int


def count_phrases(
    texts: Iterable[str], *, max_words: int = 3, min_count: int = 5, max_size: int = 20_000
) -> dict[str, int]:
    """Count the words and fixed phrases (1 to `max_words` words with a content word) of a corpus, most frequent first.

    Args:
        texts: the corpus, read once.
        max_words: words of a phrase at most.
        min_count: occurrences of a phrase of several words at least; single words are kept from their first on.
        max_size: phrases kept; the rarest go first.
    """
    grams: Counter[tuple[str, ...]] = Counter()
    for text in texts:
        for run in runs_of(text, words_of(text)):
            forms = [word.form for word in run]
            for size in range(1, max_words + 1):
                grams.update(tuple(forms[at : at + size]) for at in range(len(forms) - size + 1))
    kept = {gram: n for gram, n in grams.items() if (len(gram) == 1 or n >= min_count) and _is_phrase(gram, n, grams)}
    inner = {part for gram, count in kept.items() for part in (gram[1:], gram[:-1]) if kept.get(part) == count}
    closed = {gram: count for gram, count in kept.items() if len(gram) == 1 or gram not in inner}
    return {" ".join(gram): count for gram, count in _most_frequent(closed, max_size)}


def most_frequent_words(counts: Mapping[str, int], *, max_size: int = 20_000) -> dict[str, int]:
    """What `count_phrases` gives with phrases of one word, from words that were counted already."""
    kept = {form: count for form, count in counts.items() if is_content(form) and may_be_edge(form)}
    return dict(_most_frequent(kept, max_size))


def _most_frequent(counts: Mapping[_Counted, int], size: int) -> list[tuple[_Counted, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:size]


def _is_phrase(gram: tuple[str, ...], count: int, grams: Mapping[tuple[str, ...], int]) -> bool:
    content = [form for form in gram if is_content(form)]
    if not content or not (may_be_edge(gram[0]) and may_be_edge(gram[-1])):
        return False
    return len(gram) == 1 or count >= _COLLOCATION * min(grams[(form,)] for form in content)


class Vocabulary:
    """Phrases of a corpus as a matrix of sentence embeddings.

    Args:
        counts: phrase -> occurrences, see `count_phrases`; not empty.
        encoder: a sentence encoder.
    """

    def __init__(self, counts: Mapping[str, int], encoder: TextEncoder) -> None:
        if not counts:
            raise DataError(message("vocabulary", "the corpus has no words", "give the texts of the training split"))
        self._counts = dict(counts)
        self._phrases = list(self._counts)
        self._encoder = encoder
        self._matrix = encoder.encode_texts(self._phrases)
        scale = math.log1p(max(self._counts.values()))
        self._commonness = np.array([math.log1p(count) / scale for count in self._counts.values()], dtype=np.float32)
        self._near: dict[tuple[str, float], tuple[Neighbour, ...]] = {}

    @property
    def phrases(self) -> tuple[str, ...]:
        """All phrases, most frequent first."""
        return tuple(self._phrases)

    def count(self, phrase: str) -> int:
        """Occurrences of a casefolded phrase; 0 for a phrase outside the vocabulary."""
        return self._counts.get(phrase, 0)

    def neighbours(self, spans: Sequence[str], *, k: int, commonness: float = 0.0) -> list[tuple[Neighbour, ...]]:
        """The k phrases nearest to each span, best first; the span itself is left out.

        Near is a high cosine plus `commonness` times the phrase's count on a logarithmic scale from 0 to 1: above 0 it
        favours common phrases, below 0 rare ones. The sum is rounded to four digits; equal ones are ordered by text.
        Each distinct span is computed once in the life of the object, for the k of its first call.
        """
        missing = [span for span in dict.fromkeys(spans) if (span, commonness) not in self._near]
        if missing:
            self._add(missing, k, commonness)
        return [self._near[span, commonness][:k] for span in spans]

    def _add(self, spans: Sequence[str], k: int, commonness: float) -> None:
        rows = self._encoder.encode_texts(spans)
        for start in range(0, len(spans), _BLOCK):
            part = rows[start : start + _BLOCK]
            padded = np.zeros((_BLOCK, rows.shape[1]), dtype=np.float32)
            padded[: len(part)] = part
            for span, cosines in zip(spans[start : start + _BLOCK], padded @ self._matrix.T, strict=False):
                self._near[span, commonness] = self._nearest(span, cosines, k, commonness)

    def _nearest(self, span: str, cosines: FloatArray, k: int, commonness: float) -> tuple[Neighbour, ...]:
        scores = np.round((cosines + commonness * self._commonness).astype(np.float64), _DECIMALS)
        size = min(k + 1, len(scores))
        # all that ties with the last one in reach must be seen, so that the tie is broken by text
        cut = np.partition(scores, len(scores) - size)[len(scores) - size]
        rows = sorted((-float(scores[at]), self._phrases[at], int(at)) for at in np.flatnonzero(scores >= cut))
        found = [self._neighbour(text, score, cosines[at]) for score, text, at in rows if text != span]
        return tuple(found[:k])

    def _neighbour(self, text: str, score: float, cosine: float) -> Neighbour:
        return Neighbour(text, round(float(cosine), _DECIMALS), -score, self._counts[text])
