"""A toy world for the mining tests: a retriever that counts known words and is blind to their rare synonyms."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import numpy as np

from raqo.protocols import FloatArray, Perturbation, Perturbed, ReviewCase, Reviewed
from raqo.records import Cost, Document, Failure, Hit, Query, Ranking, RetrievalDataset, Review, Trace

SYNONYMS = {
    "dinghy": "boat", "hound": "dog", "feline": "cat", "steed": "horse", "crimson": "red", "azure": "blue",
    "jade": "green", "golden": "yellow", "timberland": "forest", "shore": "beach", "metropolis": "city",
}  # fmt: skip
THINGS, COLOURS, PLACES = (
    ["boat", "dog", "cat", "horse"],
    ["red", "blue", "green", "yellow"],
    ["forest", "beach", "city"],
)
CAPTIONS = [f"a {c} {t} in the {p}" for c, t, p in itertools.product(COLOURS, THINGS, PLACES)]
KNOWN = sorted({*THINGS, *COLOURS, *PLACES})


class ToyRetriever:
    """Cosine of bags of known words; unknown words add noise that depends on the word only."""

    def __init__(self, captions: Sequence[str] = CAPTIONS) -> None:
        self.documents = {f"d{place:03d}": caption for place, caption in enumerate(captions)}
        self.ids = sorted(self.documents)
        self._rows: dict[str, FloatArray] = {}
        self.matrix = np.stack([self.encode(self.documents[doc_id]) for doc_id in self.ids])
        self.calls: list[int] = []
        self.fingerprint, self.size = "toy", len(self.ids)

    def encode(self, text: str) -> FloatArray:
        if text not in self._rows:
            self._rows[text] = self._encoded(text)
        return self._rows[text]

    def _encoded(self, text: str) -> FloatArray:
        row = np.full(len(KNOWN) + 8, 1e-6, dtype=np.float32)
        for word in text.casefold().replace(",", "").split():
            if word in KNOWN:
                row[KNOWN.index(word)] += 1
            elif len(word) > 3:
                row[len(KNOWN) + sum(map(ord, word)) % 8] += 0.8
        return row / np.linalg.norm(row)

    def search(self, queries: Sequence[Query], *, k: int) -> list[Ranking]:
        self.calls.append(len(queries))
        rankings = []
        for query in queries:
            scores = (self.matrix * self.encode(query.text)).sum(axis=1)
            order = sorted(range(len(self.ids)), key=lambda at: (-scores[at], self.ids[at]))[:k]
            hits = tuple(Hit(self.ids[at], float(scores[at])) for at in order)
            rankings.append(Ranking(query.query_id, hits))
        return rankings

    def similarity(self, queries: Sequence[Query], doc_ids: Sequence[str]) -> FloatArray:
        self.calls.append(len(queries))
        rows = [self.matrix[int(d[1:])] @ self.encode(q.text) for q, d in zip(queries, doc_ids, strict=True)]
        return np.array(rows, dtype=np.float32)

    def fits(self, texts: Sequence[str]) -> list[bool]:
        return [True] * len(texts)


class ToySentenceEncoder:
    """Rare words lie near their common ones, all else apart: a word is 0.9 of its meaning and 0.44 of itself."""

    fingerprint = "toy-sentences"

    def __init__(self) -> None:
        self._axes: dict[str, int] = {}

    def encode_texts(self, texts: Sequence[str]) -> FloatArray:
        rows = np.zeros((len(texts), 512))  # float64, so that a row does not depend on its batch
        for row, text in zip(rows, texts, strict=True):
            for word in text.casefold().replace(",", "").split():
                row[self._axis(SYNONYMS.get(word, word))] += 0.9
                row[self._axis(f"form:{word}")] += 0.44
        return (rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)).astype(np.float32)

    def _axis(self, name: str) -> int:
        return self._axes.setdefault(name, len(self._axes))


class ListSink:
    """Keeps traces; `fail_after` calls it dies like a killed process."""

    def __init__(self, fail_after: int | None = None) -> None:
        self.traces: list[Trace] = []
        self.batches: list[int] = []
        self._fail_after = fail_after

    def write(self, traces: Sequence[Trace]) -> None:
        if self._fail_after is not None and len(self.batches) >= self._fail_after:
            raise KeyboardInterrupt
        self.traces += traces
        self.batches.append(len(traces))


class ScriptedReviewer:
    """Plays `answers[query id][round - 1]`, or an empty review; remembers the cases it saw."""

    name, prompt_hash = "scripted", "0"

    def __init__(self, answers: dict[str, list[Review | Failure]], cost: Cost | None = None) -> None:
        self.answers = answers
        self.cost = cost or Cost()
        self.cases: list[ReviewCase] = []

    def review(self, cases: Sequence[ReviewCase]) -> list[Reviewed]:
        self.cases += cases
        return [Reviewed(self._answer(case), self.cost) for case in cases]

    def _answer(self, case: ReviewCase) -> Review | Failure:
        script = self.answers.get(case.query.query_id, [])
        return script[case.round - 1] if case.round <= len(script) else Review("", "", (), ())


class ScriptedPerturber:
    """Plays `variants[text]`: perturbations, or why there are none."""

    def __init__(self, variants: Mapping[str, Sequence[Perturbation] | Failure] | None = None) -> None:
        self.variants = variants or {}

    def perturb(self, texts: Sequence[str]) -> list[Perturbed]:
        found = [self.variants.get(text, ()) for text in texts]
        return [Perturbed(some if isinstance(some, Failure) else tuple(some)) for some in found]


def dataset(texts: Sequence[tuple[str, str]]) -> RetrievalDataset:
    """Queries q0, q1, ... from (text, caption of the target)."""
    ids = {caption: f"d{place:03d}" for place, caption in enumerate(CAPTIONS)}
    return RetrievalDataset(
        name="toy",
        split="train",
        documents=tuple(Document(f"d{place:03d}", text=caption) for place, caption in enumerate(CAPTIONS)),
        queries=tuple(Query(f"q{at}", text) for at, (text, _) in enumerate(texts)),
        targets={f"q{at}": (ids[caption],) for at, (_, caption) in enumerate(texts)},
    )


def rare_queries() -> list[tuple[str, str]]:
    """Every caption with one to three of its words said in rare words, and some plain ones."""
    rare = {common: word for word, common in SYNONYMS.items()}
    found = []
    for place, caption in enumerate(CAPTIONS):
        words = caption.split()
        spots = [at for at, word in enumerate(words) if word in rare]
        for at in spots[: place % 4]:
            words[at] = rare[words[at]]
        found.append((" ".join(words), caption))
    return found
