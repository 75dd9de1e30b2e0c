"""A reviewer without a language model: the retriever's own feedback finds the confusing concept and its better wording.

For each query the words whose absence hurts least are suspect; spans around them are replaced by phrases of the corpus
that mean something near (sentence-encoder neighbours, WordNet where given); the replacement that moves the target most
names the concept. It sees the target's similarity, so it belongs to mining and never to serving (RAQO, MPADE).
Three similarity calls serve a whole batch: words left out, bare phrases, rewrites.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from raqo.agents.spans import (
    Span,
    Word,
    changed_span,
    delete_span,
    is_content,
    may_be_edge,
    original_span,
    replace_span,
    span_text,
    words_of,
)
from raqo.agents.vocabulary import Neighbour, Vocabulary
from raqo.agents.wordnet import WordNet
from raqo.errors import ConfigError, message
from raqo.protocols import Retriever, ReviewCase
from raqo.records import Cost, Failure, Query, Review

_DECIMALS = 6
# A WordNet synonym without its own cosine in reach counts as this near.
_SYNONYM_COSINE = 0.6


@dataclass(frozen=True, kw_only=True)
class LexicalSettings:
    """How widely the lexical reviewer looks. Our choices; the paper uses an MLLM instead.

    Attributes:
        suspects: words of a query looked at closely.
        max_span: words of a span at most.
        neighbours: phrases looked up for each span.
        candidates: rewrites scored for each query and round.
        wordings_per_span: rewrites scored for one span at most.
        max_rewrites: rewrites returned.
        min_cosine: a phrase with a smaller cosine to the span means something else.
        min_gain: a rewrite must raise the target's similarity by this.
        commonness_weight: what a phrase's frequency counts beside its cosine.
        feedback_weight: what the bare phrase's similarity with the target counts beside its cosine.
    """

    suspects: int = 4
    max_span: int = 5
    neighbours: int = 24
    candidates: int = 40
    wordings_per_span: int = 8
    max_rewrites: int = 5
    min_cosine: float = 0.25
    min_gain: float = 0.01
    commonness_weight: float = 0.2
    feedback_weight: float = 0.15

    def __post_init__(self) -> None:
        for name in ("suspects", "max_span", "neighbours", "candidates", "wordings_per_span", "max_rewrites"):
            if getattr(self, name) < 1:
                raise ConfigError(message(f"lexical.{name}", f"got {getattr(self, name)}", "give at least 1"))


@dataclass(frozen=True, slots=True)
class _Draft:
    """A case with its words; `base` is the target's similarity as worded now."""

    case: ReviewCase
    words: list[Word]
    base: float


@dataclass(frozen=True, slots=True)
class _Edit:
    """A span of a draft with a wording for it, and what speaks for the wording."""

    span: Span
    wording: str
    cosine: float
    prior: float


@dataclass(frozen=True, slots=True)
class _Scored:
    """A rewrite with the part of the original query that it replaces."""

    text: str
    wording: str
    concept: str
    gain: float
    weight: float


class LexicalReviewer:
    """See the module. Implements `raqo.protocols.Reviewer` and `Metered`; deterministic, case by case.

    Args:
        retriever: the retriever being mined.
        vocabulary: phrases of the training texts.
        wordnet: synonyms, where installed.
        settings: how widely to look.
    """

    def __init__(
        self,
        *,
        retriever: Retriever,
        vocabulary: Vocabulary,
        wordnet: WordNet | None = None,
        settings: LexicalSettings | None = None,
    ) -> None:
        self._retriever = retriever
        self._vocabulary = vocabulary
        self._wordnet = wordnet
        self._settings = settings or LexicalSettings()
        self._asked: list[int] = []

    @property
    def name(self) -> str:
        """The reviewer's name, for provenance."""
        return "lexical+wordnet" if self._wordnet else "lexical"

    @property
    def prompt_hash(self) -> str:
        """Empty: there is no prompt."""
        return ""

    def last_costs(self) -> list[Cost]:
        """Similarities asked for each case of the last review, before sharing among equal texts."""
        return [Cost(retriever_queries=count) for count in self._asked]

    def review(self, cases: Sequence[ReviewCase]) -> list[Review | Failure]:
        """Review each case; a review without rewrites says that no replacement helps."""
        self._asked = [0] * len(cases)
        drafts, suspects = self._suspects(cases)
        edits = self._edits(
            drafts, [self._spans(draft.words, found) for draft, found in zip(drafts, suspects, strict=True)]
        )
        texts = [[self._apply(draft, edit) for edit in found] for draft, found in zip(drafts, edits, strict=True)]
        scores = self._similarities(cases, texts)
        return [
            self._answer(draft, _score(draft, found, rewrites, values))
            for draft, found, rewrites, values in zip(drafts, edits, texts, scores, strict=True)
        ]

    def _similarities(self, cases: Sequence[ReviewCase], texts: Sequence[Sequence[str]]) -> list[list[float]]:
        """Similarity of each text with the target of its case: one call, equal pairs asked once."""
        self._asked = [asked + len(found) for asked, found in zip(self._asked, texts, strict=True)]
        keys = [
            [(text, case.query.image, case.target) for text in found] for case, found in zip(cases, texts, strict=True)
        ]
        places = {key: place for place, key in enumerate(dict.fromkeys(key for found in keys for key in found))}
        if not places:
            return [[] for _ in cases]
        queries = [Query("", text, image) for text, image, _ in places]
        values = np.round(
            self._retriever.similarity(queries, [target for *_, target in places]).astype(float), _DECIMALS
        )
        return [[float(values[places[key]]) for key in found] for found in keys]

    def _suspects(self, cases: Sequence[ReviewCase]) -> tuple[list[_Draft], list[list[int]]]:
        """Leave out each content word; those whose absence hurts least are what the retriever does not understand."""
        words = [words_of(case.query.text) for case in cases]
        content = [[at for at, word in enumerate(found) if is_content(word.form)] for found in words]
        texts = [
            [case.query.text, *(delete_span(case.query.text, found, Span(at, at + 1)) for at in places)]
            for case, found, places in zip(cases, words, content, strict=True)
        ]
        scores = self._similarities(cases, texts)
        drafts = [_Draft(case, found, values[0]) for case, found, values in zip(cases, words, scores, strict=True)]
        ranked = [
            [
                at
                for _, at in sorted(zip((-value for value in values[1:]), places, strict=True))[
                    : self._settings.suspects
                ]
            ]
            for places, values in zip(content, scores, strict=True)
        ]
        return drafts, ranked

    def _spans(self, words: Sequence[Word], suspects: Sequence[int]) -> list[Span]:
        """Each suspect word alone, from suspect to suspect, and both with the function words around them."""
        spans: dict[Span, None] = {}
        for first in suspects:
            for last in suspects:
                if first <= last < first + self._settings.max_span:
                    spans[Span(first, last + 1)] = None
                    spans[self._widened(words, first, last + 1)] = None
        return list(spans)

    def _widened(self, words: Sequence[Word], first: int, last: int) -> Span:
        low, high = first, last
        while low > 0 and not is_content(words[low - 1].form):
            low -= 1
        while high < len(words) and not is_content(words[high].form):
            high += 1
        while low < first and not may_be_edge(words[low].form):
            low += 1
        while high > last and not may_be_edge(words[high - 1].form):
            high -= 1
        return Span(low, high) if high - low <= self._settings.max_span else Span(first, last)

    def _edits(self, drafts: Sequence[_Draft], spans: Sequence[Sequence[Span]]) -> list[list[_Edit]]:
        """The likeliest wordings of all spans: near in meaning, common, and near the target as bare phrases."""
        forms = [
            [" ".join(word.form for word in draft.words[s.first : s.last]) for s in found]
            for draft, found in zip(drafts, spans, strict=True)
        ]
        near = self._wordings([form for found in forms for form in found])
        cases = [draft.case for draft in drafts]
        phrases = [list(dict.fromkeys(n.text for form in found for n in near[form])) for found in forms]
        feedback = [
            _standardised(names, values)
            for names, values in zip(phrases, self._similarities(cases, phrases), strict=True)
        ]
        edits = []
        for found, names, bare in zip(spans, forms, feedback, strict=True):
            ranked = [self._ranked(span, near[name], bare) for span, name in zip(found, names, strict=True)]
            flat = sorted(
                (edit for part in ranked for edit in part), key=lambda edit: (-edit.prior, edit.span, edit.wording)
            )
            edits.append(flat[: self._settings.candidates])
        return edits

    def _wordings(self, forms: Sequence[str]) -> dict[str, list[Neighbour]]:
        distinct = list(dict.fromkeys(forms))
        rows = self._vocabulary.neighbours(distinct, k=self._settings.neighbours)
        found = {
            form: [near for near in row if near.cosine >= self._settings.min_cosine]
            for form, row in zip(distinct, rows, strict=True)
        }
        if self._wordnet:
            for form, row in found.items():
                row += self._synonyms(self._wordnet, form, {near.text for near in row})
        return found

    def _synonyms(self, wordnet: WordNet, form: str, known: set[str]) -> list[Neighbour]:
        """WordNet's synonyms that the corpus uses."""
        counted = [(text, self._vocabulary.count(text)) for text in wordnet.synonyms(form)]
        return [Neighbour(text, _SYNONYM_COSINE, count) for text, count in counted if count and text not in known]

    def _ranked(self, span: Span, wordings: Sequence[Neighbour], bare: dict[str, float]) -> list[_Edit]:
        settings = self._settings

        def prior(near: Neighbour) -> float:
            common = settings.commonness_weight * self._vocabulary.commonness(near.count)
            return round(near.cosine + common + settings.feedback_weight * bare[near.text], _DECIMALS)

        edits = [_Edit(span, near.text, near.cosine, prior(near)) for near in wordings]
        return sorted(edits, key=lambda edit: (-edit.prior, edit.wording))[: settings.wordings_per_span]

    def _apply(self, draft: _Draft, edit: _Edit) -> str:
        return replace_span(draft.case.query.text, draft.words, edit.span, edit.wording)

    def _answer(self, draft: _Draft, scored: Sequence[_Scored]) -> Review:
        helpful = [rewrite for rewrite in scored if rewrite.gain >= self._settings.min_gain and rewrite.concept]
        difference = _difference(draft)
        if not helpful:
            return Review(difference, "no replacement brings the target nearer", (), ())
        best = helpful[0]
        same = [rewrite.text for rewrite in helpful if rewrite.concept == best.concept]
        weakness = (
            f'"{best.concept}" confuses the retriever: with "{best.wording}" the similarity of the target rises '
            f"from {draft.base:.3f} to {draft.base + best.gain:.3f}"
        )
        return Review(difference, weakness, (best.concept,), tuple(dict.fromkeys(same))[: self._settings.max_rewrites])


def _score(draft: _Draft, edits: Sequence[_Edit], texts: Sequence[str], values: Sequence[float]) -> list[_Scored]:
    """Rewrites, best first: the gain in similarity, discounted where the wording is far from the span in meaning."""
    original = draft.case.original_text
    origin = words_of(original)
    found = []
    for edit, text, value in zip(edits, texts, values, strict=True):
        gain = round(value - draft.base, _DECIMALS)
        place = original_span(origin, draft.words, changed_span(draft.words, edit.span, edit.wording))
        concept = span_text(original, origin, place) if place.first < place.last else ""
        weight = gain * math.sqrt(max(edit.cosine, 0.0) * _coverage(draft.words, edit))
        found.append(_Scored(text, edit.wording, concept, gain, round(weight, _DECIMALS)))
    return sorted(found, key=lambda rewrite: (-rewrite.weight, rewrite.text))


def _coverage(words: Sequence[Word], edit: _Edit) -> float:
    """Content words of the wording for each content word of the span, at most 1: dropping words is no rewording."""
    said = sum(is_content(word.form) for word in words[edit.span.first : edit.span.last])
    return min(1.0, sum(is_content(word.form) for word in words_of(edit.wording)) / max(said, 1))


def _standardised(names: Sequence[str], values: Sequence[float]) -> dict[str, float]:
    """Scores of one case with mean 0 and deviation 1, as scales differ from retriever to retriever."""
    if not names:
        return {}
    array = np.asarray(values, dtype=np.float64)
    spread = float(array.std()) or 1.0
    return dict(zip(names, ((array - array.mean()) / spread).tolist(), strict=True))


def _difference(draft: _Draft) -> str:
    case = draft.case
    rank = case.ranking.rank_of(case.target)
    place = f"at rank {rank}" if rank else f"beyond the first {len(case.ranking.hits)}"
    first = f"{case.ranking.hits[0].doc_id} scores {case.ranking.hits[0].score:.3f}" if case.ranking.hits else "no hit"
    return f"{first}; the target {case.target} scores {draft.base:.3f} and lies {place}"
