"""Which phrases of a query a rewrite changed."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from difflib import SequenceMatcher
from itertools import pairwise

from raqo.agents.spans import Span, Word, is_content, words_of


def changed_spans(text: str, rewrite: str, *, known: Collection[int] = ()) -> list[Span]:
    """The phrases of a text that a rewrite says otherwise or leaves out, in the order of the text.

    Words that carry no concept of their own (an article that follows its noun) do not count at the edges of a phrase.

    Args:
        text: the query.
        rewrite: another wording of it.
        known: places of words that are not asked about: a phrase ends before them and goes on after them.
    """
    words = words_of(text)
    matcher = SequenceMatcher(None, [word.form for word in words], [w.form for w in words_of(rewrite)], autojunk=False)
    changed = [(first, last) for tag, first, last, _, _ in matcher.get_opcodes() if tag in ("delete", "replace")]
    runs = [run for first, last in changed for run in _runs(range(first, last), known)]
    trimmed = (_trimmed(words, run) for run in runs)
    return [span for span in trimmed if span.first < span.last]


def _runs(places: range, known: Collection[int]) -> list[Span]:
    """The stretches of places without known ones."""
    cuts = [places.start - 1, *(place for place in places if place in known), places.stop]
    return [Span(before + 1, after) for before, after in pairwise(cuts) if before + 1 < after]


def _trimmed(words: Sequence[Word], span: Span) -> Span:
    first, last = span.first, span.last
    while first < last and not is_content(words[first].form):
        first += 1
    while last > first and not is_content(words[last - 1].form):
        last -= 1
    return Span(first, last)
