"""Which words of a text to mark. Gives plain segments; the template escapes them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher
from typing import NamedTuple


class Segment(NamedTuple):
    """A stretch of text; the segments of a text joined give the text."""

    text: str
    marked: bool


def mark_phrases(text: str, phrases: Iterable[str]) -> list[Segment]:
    """Mark every occurrence of the phrases as whole words, whatever their case; the longest phrase wins."""
    found = sorted({" ".join(phrase.split()) for phrase in phrases} - {""}, key=len, reverse=True)
    if not found:
        return [Segment(text, False)]
    patterns = (r"\s+".join(re.escape(word) for word in phrase.split()) for phrase in found)
    spans = [match.span() for match in re.finditer(rf"(?<!\w)(?:{'|'.join(patterns)})(?!\w)", text, re.IGNORECASE)]
    return _segments(text, spans)


def mark_changes(before: str, after: str) -> list[Segment]:
    """Mark the words of `after` that are not in the same place of `before`, case and punctuation aside."""
    old = [word.casefold() for word in re.findall(r"\w+", before)]
    matches = list(re.finditer(r"\w+", after))
    new = [match.group().casefold() for match in matches]
    blocks = SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    spans = [
        (matches[low].start(), matches[high - 1].end())
        for tag, _, _, low, high in blocks
        if tag != "equal" and high > low
    ]
    return _segments(after, spans)


def _segments(text: str, spans: Sequence[tuple[int, int]]) -> list[Segment]:
    parts, position = [], 0
    for start, end in spans:
        parts += [Segment(text[position:start], False), Segment(text[start:end], True)]
        position = end
    parts.append(Segment(text[position:], False))
    return [part for part in parts if part.text]
