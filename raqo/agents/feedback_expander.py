"""Expansions without a language model: words of the corpus near the picture's keywords, and relevance feedback."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from raqo.agents.corpus_words import CorpusWords
from raqo.agents.relevance_feedback import feedback_terms
from raqo.agents.spans import words_of
from raqo.agents.term_weights import is_keyword
from raqo.agents.vocabulary import Vocabulary, most_frequent_words
from raqo.errors import ConfigError, message
from raqo.protocols import Expanded, ExpansionCase, TextEncoder


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedbackExpanderSettings:
    """How expansions are put together.

    Attributes:
        neighbours: words of the corpus near each keyword.
        min_cosine: of a neighbour with its keyword.
        feedback_terms: words taken from the retrieved passages.
        vocabulary: most phrases of the corpus that can be neighbours; the rarest are left out.
        keywords: of a question without a picture whose neighbours are tried, the rarest first.
    """

    neighbours: int = 5
    min_cosine: float = 0.4
    feedback_terms: int = 5
    vocabulary: int = 20_000
    keywords: int = 4

    def __post_init__(self) -> None:
        for name in ("neighbours", "feedback_terms", "vocabulary", "keywords"):
            if getattr(self, name) < 1:
                raise ConfigError(message(f"feedback.{name}", f"got {getattr(self, name)}", "give at least 1"))


class FeedbackExpander:
    """The built-in expander. Implements `raqo.protocols.Expander`; it has no temperature.

    Generation (QueryFormer, 'Multimodal Query Expansion', keyword embedding similarity): for each keyword, likeliest
    first, the keyword, each of its neighbours with it, and words of the retrieved passages with it. Optimisation: the
    best ones with words of the passages that they found, and with each other.

    Args:
        corpus: the words of all passages.
        encoder: a sentence encoder.
        settings: how many of each.
    """

    def __init__(
        self, corpus: CorpusWords, encoder: TextEncoder, *, settings: FeedbackExpanderSettings | None = None
    ) -> None:
        self._settings = settings or FeedbackExpanderSettings()
        self._documents, self._size = corpus.documents, corpus.size
        frequent = most_frequent_words(corpus.counts, max_size=self._settings.vocabulary)
        self._vocabulary = Vocabulary(frequent, encoder)

    @property
    def name(self) -> str:
        """Method and settings, for provenance."""
        return f"feedback:{self._settings}"

    @property
    def prompt_hash(self) -> str:
        """There are no prompts."""
        return ""

    def expand(self, cases: Sequence[ExpansionCase], *, n: int, temperature: float) -> list[Expanded]:
        """Propose up to n expansions of each question; the sentence encoder is asked once for all of them."""
        keywords = {keyword for case in cases if not case.tried for keyword in self._keywords(case)}
        self._vocabulary.neighbours(sorted(keywords), k=self._settings.neighbours)
        return [Expanded(_distinct(self._refined(case) if case.tried else self._first(case), n)) for case in cases]

    def _first(self, case: ExpansionCase) -> list[str]:
        """By keyword in turns: first the best of each keyword, then the next best of each."""
        rows = [self._around(keyword, case) for keyword in self._keywords(case)]
        turns = [text for turn in zip_longest(*rows) for text in turn if text]
        return [*turns[: len(rows)], " ".join(self._terms(case, case.passages)), *turns[len(rows) :]]

    def _around(self, keyword: str, case: ExpansionCase) -> list[str]:
        (found,) = self._vocabulary.neighbours([keyword], k=self._settings.neighbours)
        near = [one.text for one in found if one.cosine >= self._settings.min_cosine]
        own = [keyword] if case.resolution.implicit else []
        pairs = [" ".join([*own, text]) for text in near]
        return [" ".join(own), *pairs, " ".join([*own, *near[:2]])] if own else pairs

    def _refined(self, case: ExpansionCase) -> list[str]:
        with_feedback = [" ".join([one.text, *self._terms(case, one.passages, one.text)]) for one in case.tried[:2]]
        best = case.tried[0].text
        merged = [_merged(best, one.text) for one in case.tried[1:]]
        return [*with_feedback[:1], *merged[:3], *with_feedback[1:], *merged[3:]]

    def _terms(self, case: ExpansionCase, passages: Sequence[str], expansion: str = "") -> list[str]:
        known = {word.form for word in words_of(f"{case.query.text} {expansion}")}
        known |= {keyword for keyword, _ in case.resolution.implicit} | {word.form for word in words_of(case.caption)}
        return feedback_terms(
            passages, exclude=known, document_share=self._document_share, n=self._settings.feedback_terms
        )

    def _keywords(self, case: ExpansionCase) -> list[str]:
        if case.resolution.implicit:
            return [keyword for keyword, _ in case.resolution.implicit]
        forms = dict.fromkeys(word.form for word in words_of(case.query.text) if is_keyword(word.form))
        rarest = sorted(forms, key=lambda form: (self._documents.get(form, self._size), form))
        return rarest[: self._settings.keywords]

    def _document_share(self, form: str) -> float:
        return self._documents.get(form, 1) / max(self._size, 1)


def _merged(left: str, right: str) -> str:
    return " ".join(dict.fromkeys(f"{left} {right}".split()))


def _distinct(texts: Iterable[str], n: int) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text for text in texts if text))[:n]
