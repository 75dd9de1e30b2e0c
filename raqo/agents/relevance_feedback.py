"""Expansion terms from the passages that were found, as a pure function (RM3; Lavrenko and Croft 2001)."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Sequence

from raqo.agents.spans import words_of
from raqo.agents.term_weights import is_keyword


def feedback_terms(
    passages: Sequence[str], *, exclude: Collection[str], document_share: Callable[[str], float], n: int
) -> list[str]:
    """The n words that tell the found passages from the corpus best, best first, ties by word.

    A word scores the sum over the passages of its share of the passage's words, times the passage's weight, 1 / rank,
    times the word's idf. RM3 weighs passages by their query likelihood instead, and relies on smoothing for rare words.

    Args:
        passages: best first.
        exclude: casefolded words that the query has already.
        document_share: the share of the corpus's passages that hold a word, above 0 and at most 1.
        n: words wanted.
    """
    scores: defaultdict[str, float] = defaultdict(float)
    for rank, passage in enumerate(passages, start=1):
        forms = [word.form for word in words_of(passage)]
        for form, count in Counter(forms).items():
            if form not in exclude and is_keyword(form):
                scores[form] += count / len(forms) / rank
    weighed = {form: score * -math.log(document_share(form)) for form, score in scores.items()}
    ranked = sorted(weighed.items(), key=lambda item: (-round(item[1], 9), item[0]))
    return [form for form, score in ranked[:n] if score > 0]
