"""Which words of a query a retriever may not understand, and which spans around them may be worded otherwise."""

from __future__ import annotations

from collections.abc import Sequence

from raqo.agents.spans import Span, Word, is_content, may_be_edge, runs_of


def suspected(losses: Sequence[float], places: Sequence[int], *, share: float, most: int) -> list[int]:
    """Words whose absence costs the target little.

    Args:
        losses: by how much the target's similarity falls when a word is left out.
        places: where these words stand.
        share: of the greatest loss; a greater loss shows that a word is understood.
        most: words returned at most.

    Returns:
        The places with the smallest losses, in ascending order.
    """
    limit = share * max([0.0, *losses])
    return sorted(place for loss, place in sorted(zip(losses, places, strict=True))[:most] if loss <= limit)


def spans_around(text: str, words: Sequence[Word], suspects: Sequence[int], *, max_words: int) -> list[Span]:
    """Phrases whose content words are all suspect, and each suspect with the function words around it.

    No span is longer than `max_words` or goes across punctuation.
    """
    spans: dict[Span, None] = {}
    for first in suspects:
        spans[_widened(words, first)] = None
        for last in range(first, min(first + max_words, len(words))):
            if last in suspects:
                spans[Span(first, last + 1)] = None
            elif is_content(words[last].form):
                break
    return [span for span in spans if span.last - span.first <= max_words and _is_whole(text, words, span)]


def _is_whole(text: str, words: Sequence[Word], span: Span) -> bool:
    return len(runs_of(text, words[span.first : span.last])) == 1


def _widened(words: Sequence[Word], place: int) -> Span:
    low, high = place, place + 1
    while low > 0 and not is_content(words[low - 1].form):
        low -= 1
    while high < len(words) and not is_content(words[high].form):
        high += 1
    while not may_be_edge(words[low].form):
        low += 1
    while not may_be_edge(words[high - 1].form):
        high -= 1
    return Span(low, high)
