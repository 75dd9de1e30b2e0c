"""What a retriever prefers to be told, phrase by phrase, learnt from its own feedback over a whole corpus.

One query's feedback is easily fooled: almost any word that happens to fit the target's picture raises its similarity.
So every phrase is exchanged in many queries with many targets, and only a wording that helps on average is believed.
Ground truth is used: this belongs to mining.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np

from raqo.agents.spans import Span, Word, replace_span, runs_of, words_of
from raqo.agents.vocabulary import Vocabulary
from raqo.agents.wordnet import WordNet
from raqo.errors import ConfigError, message
from raqo.protocols import FloatArray, Retriever
from raqo.records import Query

_DECIMALS = 6

PAIRS_AT_ONCE = 1 << 16
"""Phrases and targets compared in one call."""

TRIED_AT_ONCE = 1 << 12
"""Trials compared in one call: few enough to see them move, many enough for full batches."""

LexiconProgress = Callable[[int, int, int], None]
"""Called with (stage, trials done, trials in all): every wording in a few queries (1), the best in more (2)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LexiconSettings:
    """How preferences are learnt. Our choices; the paper asks an MLLM instead.

    Attributes:
        max_words: words of a phrase at most.
        neighbours: wordings tried for each phrase because a sentence encoder finds them near: half of them the nearest,
            half the nearest of the common ones.
        commonness: what a wording's frequency counts beside its cosine in the second half.
        seen: wordings tried because the retriever finds them, by themselves, in the targets of a phrase's queries.
        seen_among: the most frequent phrases, among which these are looked for.
        min_cosine: a wording further away in meaning is not tried.
        first_queries: queries each wording is tried in.
        survivors: wordings of a phrase that are tried further.
        more_queries: further queries for these, where one of them has shown half of `min_gain`.
        shrinkage: a mean over n queries counts as n / (n + shrinkage) of itself.
        min_gain: rise of the target's similarity, so shrunken, from which a wording is preferred.
        equal_within: gains within this share of the best count as equal; of these the most frequent wording is first.
    """

    max_words: int = 6
    neighbours: int = 32
    commonness: float = 0.4
    seen: int = 8
    seen_among: int = 250
    min_cosine: float = 0.15
    first_queries: int = 3
    survivors: int = 5
    more_queries: int = 30
    shrinkage: float = 2.0
    min_gain: float = 0.03
    equal_within: float = 0.05

    def __post_init__(self) -> None:
        for name in ("max_words", "neighbours", "first_queries", "survivors"):
            if getattr(self, name) < 1:
                raise ConfigError(message(f"lexicon.{name}", f"got {getattr(self, name)}", "give at least 1"))
        if self.more_queries < 0 or self.shrinkage < 0:
            raise ConfigError(message("lexicon", "more_queries and shrinkage cannot be negative", "correct them"))


@dataclass(frozen=True, slots=True)
class Preference:
    """A wording that the retriever understands better than a phrase.

    Attributes:
        gain: shrunken mean rise of the target's similarity.
        support: queries it was tried in.
    """

    wording: str
    gain: float
    support: int


@dataclass(frozen=True)
class Lexicon:
    """Challenging phrases with what the retriever prefers for them, best first.

    Attributes:
        phrases: all phrases of the corpus, challenging or not; texts are divided along them.
        preferences: challenging phrase -> preferred wordings, best first, never empty.
    """

    phrases: frozenset[str]
    preferences: Mapping[str, tuple[Preference, ...]]

    @cached_property
    def longest(self) -> int:
        """Words of the longest phrase."""
        return max((phrase.count(" ") + 1 for phrase in self.phrases), default=1)

    @cached_property
    def harder(self) -> dict[str, tuple[str, ...]]:
        """Preferred wording -> the challenging phrases whose first choice it is."""
        found: dict[str, list[str]] = {}
        for phrase, preferred in self.preferences.items():
            found.setdefault(preferred[0].wording, []).append(phrase)
        return {wording: tuple(sorted(phrases)) for wording, phrases in found.items()}

    def segments(self, text: str) -> list[tuple[Span, str]]:
        """Divide a text along the corpus's phrases, the longest first; words in no phrase are left out."""
        return divide(text, words_of(text), self.phrases, self.longest)

    def challenging(self, text: str) -> list[tuple[Span, str]]:
        """The segments that the retriever would rather be told otherwise, in the order of the text."""
        return [(span, phrase) for span, phrase in self.segments(text) if phrase in self.preferences]


def divide(text: str, words: Sequence[Word], phrases: frozenset[str], longest: int) -> list[tuple[Span, str]]:
    """Non-overlapping spans of a text that are phrases, the longest first, of equal ones the first."""
    taken: set[int] = set()
    found = []
    starts: list[tuple[int, int]] = []  # first word of each run, first word after it
    at = 0
    for run in runs_of(text, words):
        starts.append((at, at + len(run)))
        at += len(run)
    for size in range(longest, 0, -1):
        for first, last in starts:
            for begin in range(first, last - size + 1):
                phrase = " ".join(word.form for word in words[begin : begin + size])
                if phrase in phrases and taken.isdisjoint(range(begin, begin + size)):
                    taken.update(range(begin, begin + size))
                    found.append((Span(begin, begin + size), phrase))
    return sorted(found)


def learn_lexicon(
    examples: Iterable[tuple[str, str]],
    *,
    retriever: Retriever,
    vocabulary: Vocabulary,
    wordnet: WordNet | None = None,
    settings: LexiconSettings | None = None,
    progress: LexiconProgress | None = None,
) -> Lexicon:
    """Exchange every phrase of a corpus in several queries and see what the retriever makes of it.

    Args:
        examples: (query text, id of its target) of the training split.
        retriever: over a gallery that holds the targets.
        vocabulary: phrases of the corpus.
        wordnet: further wordings, where installed.
        settings: how widely to try.
        progress: told how far the trials are.
    """
    settings = settings or LexiconSettings()
    phrases = frozenset(vocabulary.phrases)
    longest = max(phrase.count(" ") + 1 for phrase in phrases)
    places = _places(examples, phrases, longest)
    wordings = _wordings(sorted(places), vocabulary, wordnet, settings)
    for phrase, seen in _seen(places, retriever, vocabulary.phrases[: settings.seen_among], settings).items():
        wordings[phrase] = list(dict.fromkeys([*wordings[phrase], *seen]))
    first, more = settings.first_queries, settings.more_queries
    trial = _Trial(retriever, progress)
    gains = trial.run(1, [(p, w, places[p][:first]) for p in places for w in wordings[p]])
    kept = {p: _best(p, wordings[p], gains, settings) for p in places}
    further = trial.run(2, [(p, w, places[p][first : first + more]) for p in places for w in kept[p]])
    preferences = {}
    for phrase in sorted(places):
        found = [_preference(w, gains[phrase, w] + further[phrase, w], settings) for w in kept[phrase]]
        if chosen := [preferred for preferred in found if preferred.gain >= settings.min_gain]:
            preferences[phrase] = _ordered(chosen, vocabulary, settings)
    return Lexicon(phrases, _settled(preferences))


def lexicon_json(lexicon: Lexicon) -> dict[str, Any]:
    """The lexicon as plain values, readable by people too."""
    preferences = {phrase: [asdict(preferred) for preferred in row] for phrase, row in lexicon.preferences.items()}
    return {"preferences": preferences, "phrases": sorted(lexicon.phrases)}


def lexicon_from_json(values: Mapping[str, Any]) -> Lexicon:
    """What `lexicon_json` wrote."""
    preferences = {phrase: tuple(Preference(**row) for row in rows) for phrase, rows in values["preferences"].items()}
    return Lexicon(frozenset(values["phrases"]), preferences)


_Place = tuple[str, tuple[Word, ...], Span, str]
"""A phrase in a query: text, its words, the span, the target."""


def _places(examples: Iterable[tuple[str, str]], phrases: frozenset[str], longest: int) -> dict[str, list[_Place]]:
    """Where each phrase stands, in an order that does not depend on the order of the corpus."""
    found: dict[str, list[_Place]] = {}
    for text, target in examples:
        words = tuple(words_of(text))
        for span, phrase in divide(text, words, phrases, longest):
            found.setdefault(phrase, []).append((text, words, span, target))
    for row in found.values():
        row.sort(key=lambda place: hashlib.sha256(f"{place[0]}\0{place[3]}".encode()).digest())
    return found


def _wordings(
    phrases: Sequence[str], vocabulary: Vocabulary, wordnet: WordNet | None, settings: LexiconSettings
) -> dict[str, list[str]]:
    half = max(1, settings.neighbours // 2)
    nearest = vocabulary.neighbours(phrases, k=half)
    common = vocabulary.neighbours(phrases, k=half, commonness=settings.commonness)
    found = {}
    for phrase, row, other in zip(phrases, nearest, common, strict=True):
        near = [neighbour.text for neighbour in (*row, *other) if neighbour.cosine >= settings.min_cosine]
        known = [word for word in (wordnet.synonyms(phrase) if wordnet else []) if vocabulary.count(word)]
        found[phrase] = list(dict.fromkeys([*near, *known]))
    return found


def _seen(
    places: Mapping[str, Sequence[_Place]], retriever: Retriever, common: Sequence[str], settings: LexiconSettings
) -> dict[str, list[str]]:
    """Common phrases that the retriever sees in the targets of each phrase's queries more than in others."""
    shown = {phrase: [target for *_, target in row[: settings.first_queries * 2]] for phrase, row in places.items()}
    targets = sorted({target for row in shown.values() for target in row})
    column = {target: at for at, target in enumerate(targets)}
    size = max(1, PAIRS_AT_ONCE // max(1, len(targets)))
    scores = np.concatenate(
        [_similarities(retriever, common[at : at + size], targets) for at in range(0, len(common), size)]
    )
    scores = (scores - scores.mean(axis=1, keepdims=True)) / (scores.std(axis=1, keepdims=True) + 1e-9)
    found = {}
    for phrase, row in shown.items():
        means = np.round(scores[:, [column[target] for target in row]].mean(axis=1), 4)
        best = np.argsort(-means, kind="stable")[: settings.seen + 1]
        found[phrase] = [common[at] for at in best if common[at] != phrase][: settings.seen]
    return found


def _similarities(retriever: Retriever, texts: Sequence[str], targets: Sequence[str]) -> FloatArray:
    """Of each text with each target: (texts, targets)."""
    queries = [Query("", text) for text in texts for _ in targets]
    return retriever.similarity(queries, [*targets] * len(texts)).reshape(len(texts), len(targets))


class _Trial:
    """Asks for similarities, each pair once in a stage."""

    def __init__(self, retriever: Retriever, progress: LexiconProgress | None) -> None:
        self._retriever = retriever
        self._progress = progress or (lambda stage, done, total: None)

    def run(self, stage: int, jobs: Sequence[tuple[str, str, Sequence[_Place]]]) -> dict[tuple[str, str], list[float]]:
        """Rises of the targets' similarities for each (phrase, wording)."""
        asked: dict[tuple[str, str], int] = {}
        rows = []
        for phrase, wording, places in jobs:
            for text, words, span, target in places:
                changed = replace_span(text, words, span, wording)
                pair = [asked.setdefault((said, target), len(asked)) for said in (text, changed)]
                rows.append(((phrase, wording), pair))
        values = self._similarities(stage, list(asked))
        gains: dict[tuple[str, str], list[float]] = {(phrase, wording): [] for phrase, wording, _ in jobs}
        for key, (before, after) in rows:
            gains[key].append(round(float(values[after] - values[before]), _DECIMALS))
        return gains

    def _similarities(
        self, stage: int, pairs: Sequence[tuple[str, str]]
    ) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        # equal texts stand together, so the encoder sees each once while it is cached
        order = sorted(range(len(pairs)), key=pairs.__getitem__)
        values = np.empty(len(pairs), dtype=np.float64)
        for start in range(0, len(order), TRIED_AT_ONCE):
            self._progress(stage, start, len(order))
            part = order[start : start + TRIED_AT_ONCE]
            queries = [Query("", pairs[at][0]) for at in part]
            values[part] = self._retriever.similarity(queries, [pairs[at][1] for at in part])
        self._progress(stage, len(order), len(order))
        return values


def _best(
    phrase: str, wordings: Sequence[str], gains: Mapping[tuple[str, str], list[float]], settings: LexiconSettings
) -> list[str]:
    """The wordings worth trying further; none where even the best hardly helps."""
    means = {wording: float(np.mean(gains[phrase, wording])) for wording in wordings}
    best = sorted(wordings, key=lambda wording: (-means[wording], wording))[: settings.survivors]
    return best if best and means[best[0]] >= settings.min_gain / 2 else []


def _preference(wording: str, gains: Sequence[float], settings: LexiconSettings) -> Preference:
    mean = sum(gains) / (len(gains) + settings.shrinkage)
    return Preference(wording, round(mean, _DECIMALS), len(gains))


def _ordered(chosen: Sequence[Preference], vocabulary: Vocabulary, settings: LexiconSettings) -> tuple[Preference, ...]:
    """Best first: those that are about as good as the best by frequency, the others by gain.

    Frequencies within a fifth count as equal, and the longer wording comes first: "in the forest" before "forest".
    """
    enough = max(preferred.gain for preferred in chosen) * (1 - settings.equal_within)

    def place(preferred: Preference) -> tuple[bool, float, int, str]:
        good, wording = preferred.gain >= enough, preferred.wording
        frequency = round(math.log(max(1, vocabulary.count(wording))) / math.log(1.2))
        return not good, -frequency if good else -preferred.gain, -len(wording.split()), wording

    return tuple(sorted(chosen, key=place))


def _settled(preferences: Mapping[str, tuple[Preference, ...]]) -> dict[str, tuple[Preference, ...]]:
    """Prefer wordings that are not challenging themselves, where there are any: advice must not need advice."""
    found = {}
    for phrase, row in preferences.items():
        plain = tuple(preferred for preferred in row if preferred.wording not in preferences)
        found[phrase] = plain or row
    return found
