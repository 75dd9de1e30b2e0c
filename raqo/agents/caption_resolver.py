"""What *this animal* is, from a caption or a list of detections and without a language model.

A caption is cut into chunks, *small pink cactus*. A chunk whose head stands in the question is a landmark (*left of the
red car*): it points. Of the others, the one whose adjectives the question repeats, or that is nearest to the noun
asked about (*vehicle*) by the sentence encoder, is the likeliest. Nothing here knows an answer.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from raqo.agents.noun_chunks import DEMONSTRATIVE, PLACE, chunks, is_list, noun_of
from raqo.agents.spans import is_content, words_of
from raqo.errors import ConfigError, message
from raqo.protocols import FloatArray, Resolution, Resolved, TextEncoder
from raqo.records import Query

_ARTICLES = frozenset(("a", "an", "the"))


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptionResolverSettings:
    """How keywords are chosen.

    Attributes:
        keywords: of the picture that are kept, the likeliest.
        adjectives: what the question's repeating all adjectives of a chunk counts, against a cosine of 1.
        sharpness: of the likelihoods: 0 makes all alike, large leaves one.
    """

    keywords: int = 20
    adjectives: float = 1.0
    sharpness: float = 4.0

    def __post_init__(self) -> None:
        if self.keywords < 1 or self.adjectives < 0 or self.sharpness < 0:
            raise ConfigError(message("resolver", "a setting is too small", "give keywords >= 1 and others >= 0"))


class CaptionResolver:
    """Resolves questions by rules and a sentence encoder. Implements `raqo.protocols.Resolver`.

    The likelihood of a keyword is exp(sharpness * (its score - the best score)): 1 for the likeliest.
    """

    def __init__(self, encoder: TextEncoder, *, settings: CaptionResolverSettings | None = None) -> None:
        self._encoder = encoder
        self._settings = settings or CaptionResolverSettings()

    def resolve(self, queries: Sequence[Query], captions: Sequence[str]) -> list[Resolved]:
        """Resolve each question; one without candidates stays as it came. One call of the encoder for all."""
        read = [_Reading.of(query.text, caption) for query, caption in zip(queries, captions, strict=True)]
        texts = sorted({text for one in read if one.candidates for text in one.texts()})
        rows = dict(zip(texts, self._encoder.encode_texts(texts), strict=True)) if texts else {}
        return [Resolved(one.resolution(rows, self._settings)) for one in read]


@dataclass(frozen=True, slots=True)
class _Reading:
    """A question and a caption, cut into words.

    `noun` is what the question calls the thing, if anything; `candidates` are chunks, `repeated` adjectives of theirs.
    """

    question: str
    noun: str
    pointing: frozenset[str]
    candidates: tuple[tuple[str, ...], ...]
    repeated: frozenset[str]
    is_list: bool

    @classmethod
    def of(cls, question: str, caption: str) -> _Reading:
        asked = [word.form for word in words_of(question)]
        found = list(dict.fromkeys(chunks(caption)))
        named, names_only = noun_of(asked), is_list(caption)
        # "this dog" beside a dog: the question says itself what it is about
        noun = "" if any(named == chunk[-1] for chunk in found) else named
        landmarks = {form for chunk in found if chunk[-1] in asked for form in chunk}
        candidates = tuple(chunk for chunk in found if chunk[-1] not in asked and (noun or names_only))
        adjectives = {form for chunk in candidates for form in chunk[:-1]}
        repeated = frozenset(form for form in asked if form in adjectives and form not in landmarks)
        places = {form for form in asked if form in PLACE or (form.endswith("ing") and form in caption.casefold())}
        pointing = (landmarks | repeated | places | DEMONSTRATIVE | {noun}) & set(asked) if noun else set()
        return cls(question, noun, frozenset(pointing), candidates, repeated, names_only)

    def texts(self) -> list[str]:
        return [self._asked_about, *(self._name(chunk) for chunk in self.candidates)]

    def resolution(self, rows: dict[str, FloatArray], settings: CaptionResolverSettings) -> Resolution:
        if not self.candidates:
            return Resolution(self.question)
        scores = [self._score(chunk, rows, settings) for chunk in self.candidates]
        order = sorted(range(len(scores)), key=lambda at: (-scores[at], at))[: settings.keywords]
        implicit: dict[str, float] = {}
        for at in order:
            likelihood = math.exp(settings.sharpness * (scores[at] - scores[order[0]]))
            implicit.setdefault(self._name(self.candidates[at]), round(likelihood, 4))
        text = renamed(self.question, self.noun, self.pointing, next(iter(implicit)))
        return Resolution(text, tuple(implicit.items()), tuple(sorted(self.pointing)))

    @property
    def _asked_about(self) -> str:
        """A list names much that has nothing to do with the question, and more than its noun can tell apart."""
        return self.noun if self.noun and not self.is_list else self.question

    def _name(self, chunk: tuple[str, ...]) -> str:
        """In a sentence adjectives describe this picture only; in a list of names they belong to the name."""
        return " ".join(chunk) if self.is_list else chunk[-1]

    def _score(self, chunk: tuple[str, ...], rows: dict[str, FloatArray], settings: CaptionResolverSettings) -> float:
        cosine = float(np.dot(rows[self._asked_about].astype(np.float64), rows[self._name(chunk)]))
        adjectives = chunk[:-1]
        share = sum(form in self.repeated for form in adjectives) / len(adjectives) if adjectives else 0.0
        return round(cosine + settings.adjectives * share, 4)


def renamed(question: str, noun: str, pointing: Collection[str], name: str) -> str:
    """Put a name in the place of the words that point: *What is the thing left of the red car made of?* → *the bell*.

    They are the noun and what stands beside it of the words that point, with function words between them. Without a
    noun the name is appended.
    """
    words = words_of(question)
    places = [at for at, word in enumerate(words) if word.form == noun]
    if not places:
        return f"{question} {name}"
    first = last = places[0]
    while first and (words[first - 1].form in pointing or words[first - 1].form in _ARTICLES):
        first -= 1
    for at in range(last + 1, len(words)):
        if words[at].form in pointing:
            last = at
        elif is_content(words[at].form):
            break
    return f"{question[: words[first].start]}the {name}{question[words[last].end :]}"
