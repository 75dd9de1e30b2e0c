"""Reviewer and perturber that follow a learnt lexicon: no language model, only the retriever's feedback."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass

from raqo.agents.lexicon import Lexicon
from raqo.agents.spans import Span, replace_span, span_text, words_of
from raqo.protocols import Perturbation, Perturbed, ReviewCase, Reviewed
from raqo.records import Review

# Rewrites of a query at most: the paper's ranking length.
REWRITES = 5
PERTURBATIONS = 4


@dataclass(frozen=True)
class LexicalReviewer:
    """Names the challenging phrases of a query and words them as the retriever prefers. Implements `Reviewer`.

    The first rewrite takes the best wording of every phrase; the others take the second or third for one of them. Their
    order is the lexicon's, learnt from many queries: how similar one target is to one wording says much less.
    """

    lexicon: Lexicon

    @property
    def name(self) -> str:
        """The reviewer's name, for provenance."""
        return "lexicon"

    @property
    def prompt_hash(self) -> str:
        """Empty: there is no prompt."""
        return ""

    def review(self, cases: Sequence[ReviewCase]) -> list[Reviewed]:
        """Review each case; a review without rewrites says that nothing in the query is challenging."""
        return [Reviewed(self._answer(case, self._variants(case.query.text))) for case in cases]

    def _variants(self, text: str) -> list[str]:
        found = self.lexicon.challenging(text)
        if not found:
            return []
        best = {span: self.lexicon.preferences[phrase][0].wording for span, phrase in found}
        variants = [_replaced(text, best)]
        for place in (1, 2):
            for span, phrase in found:
                preferred = self.lexicon.preferences[phrase]
                if place < len(preferred):
                    variants.append(_replaced(text, {**best, span: preferred[place].wording}))
        return list(dict.fromkeys(variants))[:REWRITES]

    def _answer(self, case: ReviewCase, rewrites: Sequence[str]) -> Review:
        text = case.query.text
        rank = case.ranking.rank_of(case.target)
        difference = f"the target lies {f'at rank {rank}' if rank else f'beyond the first {len(case.ranking.hits)}'}"
        found = self.lexicon.challenging(text)
        words = words_of(text)
        concepts = tuple(span_text(text, words, span) for span, _ in found)
        advice = [
            f'"{phrase}" is understood less than "{self.lexicon.preferences[phrase][0].wording}" '
            f"(+{self.lexicon.preferences[phrase][0].gain:.3f} on average)"
            for _, phrase in found
        ]
        weakness = "; ".join(advice) or "no phrase of the query is known to confuse the retriever"
        return Review(difference, weakness, concepts, tuple(rewrites))


@dataclass(frozen=True)
class LexicalPerturber:
    """Says plain queries in phrases that the retriever is known to misunderstand. Implements `Perturber`.

    A query that holds a challenging phrase already is left alone: which of its words confuse would be unclear.
    """

    lexicon: Lexicon

    def perturb(self, texts: Sequence[str]) -> list[Perturbed]:
        """Propose variants of each text; which and how many phrases are exchanged depends on the text alone."""
        return [Perturbed(tuple(self._variants(text))) for text in texts]

    def _variants(self, text: str) -> list[Perturbation]:
        segments = self.lexicon.segments(text)
        places = [(span, self.lexicon.harder[phrase]) for span, phrase in segments if phrase in self.lexicon.harder]
        if not places or any(phrase in self.lexicon.preferences for _, phrase in segments):
            return []
        rng = random.Random(hashlib.sha256(text.encode()).digest())
        variants = []
        for _ in range(PERTURBATIONS):
            chosen = sorted(rng.sample(places, min(len(places), rng.choice((1, 2, 3, 4)))))
            swaps = {span: rng.choice(harder) for span, harder in chosen}
            variants.append(Perturbation(_replaced(text, swaps), tuple(swaps.values())))
        return list({variant.text: variant for variant in variants}.values())


def _replaced(text: str, wordings: dict[Span, str]) -> str:
    """Exchange several spans, the last first, so that the places of the others stay."""
    for span in sorted(wordings, reverse=True):
        text = replace_span(text, words_of(text), span, wordings[span])
    return text
