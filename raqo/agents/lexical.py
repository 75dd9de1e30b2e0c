"""A reviewer without a language model: the retriever's own feedback finds the confusing concept and its better wording.

Words whose absence costs the target little are suspect; spans of them are replaced by phrases of the corpus that mean
something near; the replacement that moves the target most names the concept. Over the rounds a query's concepts are
fixed one after the other. It sees the target's similarity, so it belongs to mining and never to serving (RAQO, MPADE).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from raqo.agents.edits import Edit, Wordings, likeliest
from raqo.agents.spans import (
    Span,
    Word,
    changed_span,
    delete_span,
    is_content,
    original_span,
    replace_span,
    span_text,
    words_of,
)
from raqo.agents.suspects import spans_around, suspected
from raqo.agents.vocabulary import Vocabulary
from raqo.agents.wordnet import WordNet
from raqo.errors import ConfigError, message
from raqo.protocols import Retriever, ReviewCase
from raqo.records import Cost, Failure, Query, Review

_DECIMALS = 6


@dataclass(frozen=True, kw_only=True)
class LexicalSettings:
    """How widely the lexical reviewer looks. Our choices; the paper uses an MLLM instead.

    Attributes:
        suspects: words of a query looked at closely.
        suspect_loss: a word is suspect if leaving it out costs the target at most this share of the greatest loss.
        max_span: words of a span at most.
        neighbours: corpus phrases looked up for each span.
        candidates: rewrites scored for each query and round.
        wordings_per_span: rewrites scored for one span at most.
        max_rewrites: rewrites returned.
        min_cosine: a phrase with a smaller cosine to the span means something else.
        min_gain: a rewrite must raise the target's similarity by this.
        gain_weight: what one standard deviation of a query's gains counts beside the cosine. The first rewrite of the
            sample's queries replaces a phrase by one of its own concept in 84%, against 73% with the gain alone.
        commonness_weight: what a phrase's frequency counts beside its cosine. With all-MiniLM-L6-v2 over the sample's
            words, 0.4 brings the common wording among the first 24 for 88% of the rare ones, 0 for 75%.
        commoner_by: a wording is at least this many times as frequent as any content word that it replaces; a rare word
            may well be a mistake of the retriever, a common one hardly.
        feedback_weight: what one standard deviation of the bare phrase's similarity with the target counts.
    """

    suspects: int = 8
    suspect_loss: float = 0.5
    max_span: int = 5
    neighbours: int = 32
    candidates: int = 40
    wordings_per_span: int = 8
    max_rewrites: int = 5
    min_cosine: float = 0.15
    min_gain: float = 0.01
    gain_weight: float = 0.1
    commonness_weight: float = 0.4
    commoner_by: float = 2.0
    feedback_weight: float = 0.15

    def __post_init__(self) -> None:
        for name in ("suspects", "max_span", "neighbours", "candidates", "wordings_per_span", "max_rewrites"):
            if getattr(self, name) < 1:
                raise ConfigError(message(f"lexical.{name}", f"got {getattr(self, name)}", "give at least 1"))


@dataclass(frozen=True, slots=True)
class _Draft:
    """A case on its way: its words, the target's similarity as worded now, and the spans that are suspect."""

    case: ReviewCase
    words: list[Word]
    base: float
    spans: list[Span]

    def form(self, span: Span) -> str:
        return " ".join(word.form for word in self.words[span.first : span.last])


@dataclass(frozen=True, slots=True)
class _Tried:
    """A rewrite with the part of the original query that it replaces."""

    text: str
    wording: str
    concept: str
    gain: float
    weight: float


class LexicalReviewer:
    """See the module. Implements `raqo.protocols.Reviewer` and `Metered`; deterministic, case by case.

    Three similarity calls serve a whole batch: words left out, bare phrases, rewrites.

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
        self._settings = settings or LexicalSettings()
        self._retriever = retriever
        self._wordings = Wordings(
            vocabulary,
            wordnet,
            k=self._settings.neighbours,
            min_cosine=self._settings.min_cosine,
            commonness=self._settings.commonness_weight,
            commoner_by=self._settings.commoner_by,
        )
        self._name = "lexical+wordnet" if wordnet else "lexical"
        self._asked: list[int] = []

    @property
    def name(self) -> str:
        """The reviewer's name, for provenance."""
        return self._name

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
        drafts = self._drafts(cases)
        edits = self._edits(drafts)
        texts = [
            [replace_span(draft.case.query.text, draft.words, edit.span, edit.wording) for edit in found]
            for draft, found in zip(drafts, edits, strict=True)
        ]
        similarities = self._similarities(cases, texts)
        return [self._answer(*row) for row in zip(drafts, edits, texts, similarities, strict=True)]

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
        values = self._retriever.similarity(queries, [target for *_, target in places]).astype(np.float64)
        rounded = np.round(values, _DECIMALS).tolist()
        return [[rounded[places[key]] for key in found] for found in keys]

    def _drafts(self, cases: Sequence[ReviewCase]) -> list[_Draft]:
        """Leave out each content word: those that are missed least are suspect."""
        words = [words_of(case.query.text) for case in cases]
        content = [[at for at, word in enumerate(found) if is_content(word.form)] for found in words]
        texts = [
            [case.query.text, *(delete_span(case.query.text, found, Span(at, at + 1)) for at in places)]
            for case, found, places in zip(cases, words, content, strict=True)
        ]
        rows = self._similarities(cases, texts)
        return [self._draft(*row) for row in zip(cases, words, content, rows, strict=True)]

    def _draft(self, case: ReviewCase, words: list[Word], content: Sequence[int], values: Sequence[float]) -> _Draft:
        settings, base = self._settings, values[0]
        losses = [round(base - value, _DECIMALS) for value in values[1:]]
        suspects = suspected(losses, content, share=settings.suspect_loss, most=settings.suspects)
        return _Draft(case, words, base, spans_around(case.query.text, words, suspects, max_words=settings.max_span))

    def _edits(self, drafts: Sequence[_Draft]) -> list[list[Edit]]:
        """The likeliest wordings: near in meaning, common, and near the target as bare phrases."""
        near = self._wordings(draft.form(span) for draft in drafts for span in draft.spans)
        found = [[(span, near[draft.form(span)]) for span in draft.spans] for draft in drafts]
        phrases = [list(dict.fromkeys(n.text for _, row in pairs for n in row)) for pairs in found]
        scores = self._similarities([draft.case for draft in drafts], phrases)
        return [
            likeliest(
                pairs,
                _standardised(names, values, self._settings.feedback_weight),
                per_span=self._settings.wordings_per_span,
                most=self._settings.candidates,
            )
            for pairs, names, values in zip(found, phrases, scores, strict=True)
        ]

    def _answer(
        self, draft: _Draft, edits: Sequence[Edit], texts: Sequence[str], similarities: Sequence[float]
    ) -> Review:
        spread = float(np.std(similarities)) if similarities else 0.0
        scale = self._settings.gain_weight / spread if spread else 0.0
        tried = [_tried(draft, *row, scale) for row in zip(edits, texts, similarities, strict=True)]
        helpful = [found for found in tried if found.gain >= self._settings.min_gain and found.concept]
        if not helpful:
            return Review(_difference(draft), "no replacement brings the target nearer", (), ())
        helpful.sort(key=lambda found: (-found.weight, found.text))
        best = helpful[0]
        weakness = (
            f'"{best.concept}" confuses the retriever: with "{best.wording}" the similarity of the target rises '
            f"from {draft.base:.3f} to {draft.base + best.gain:.3f}"
        )
        rewrites = dict.fromkeys(found.text for found in helpful if found.concept == best.concept)
        return Review(_difference(draft), weakness, (best.concept,), tuple(rewrites)[: self._settings.max_rewrites])


def _tried(draft: _Draft, edit: Edit, text: str, similarity: float, scale: float) -> _Tried:
    """Weigh a rewrite: nearness in meaning plus scaled gain, discounted where the wording drops words of the span."""
    original = draft.case.original_text
    origin = words_of(original)
    place = original_span(origin, draft.words, changed_span(draft.words, edit.span, edit.wording))
    concept = span_text(original, origin, place) if place.first < place.last else ""
    gain = round(similarity - draft.base, _DECIMALS)
    weight = (edit.cosine + scale * gain) * math.sqrt(_coverage(draft.words, edit))
    return _Tried(text, edit.wording, concept, gain, round(weight, _DECIMALS))


def _coverage(words: Sequence[Word], edit: Edit) -> float:
    """Content words of the wording for each content word of the span, at most 1."""
    said = sum(is_content(word.form) for word in words[edit.span.first : edit.span.last])
    return min(1.0, sum(is_content(word.form) for word in words_of(edit.wording)) / max(said, 1))


def _standardised(names: Sequence[str], values: Sequence[float], scale: float) -> dict[str, float]:
    """Scores of one case with mean 0 and deviation `scale`: the spread of similarities differs among retrievers."""
    array = np.asarray(values, dtype=np.float64)
    spread = float(array.std()) if names else 0.0
    centred = (array - array.mean()) / spread if spread else np.zeros(len(names))
    return dict(zip(names, (scale * centred).tolist(), strict=True))


def _difference(draft: _Draft) -> str:
    case = draft.case
    rank = case.ranking.rank_of(case.target)
    place = f"at rank {rank}" if rank else f"beyond the first {len(case.ranking.hits)}"
    first = f"{case.ranking.hits[0].doc_id} scores {case.ranking.hits[0].score:.3f}" if case.ranking.hits else "no hit"
    return f"{first}; the target {case.target} scores {draft.base:.3f} and lies {place}"
