"""VL-ICT, the vision-language inverse cloze task: questions made out of pages with pictures (Luo et al. 2023).

A triplet has the picture I of an entry, a sentence T of the text beside it that names what the page is about, and the
rest K of that text. What T would give away is masked: the name, so that the picture has to tell it, and the words that
the caption shares (QueryFormer, *Pretraining Task*).

The paper leaves open how the name is found and where sentences end; both follow its re-implementation in MIRe: the
title, else the title without what stands in brackets, else the caption, must stand in the text; the first sentence with
it is T. Two things there are different: it masks no caption words, and it keeps only the sentences after T (here
``passage="following"``). Here the name is found in any case of letters and as whole words, and K is never touched, so
nothing has to be restored in it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from raqo.preference_data.sources.wit import WitEntry
from raqo.retrievers.words import words

MASK = "_"
PassageRule = Literal["remaining", "following"]

_ENDS = re.compile(r"(?<=[.!?])\s+")
_BRACKETS = re.compile(r"\s*\([^()]*\)")
_WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True, slots=True)
class ClozeTriplet:
    """A picture, a sentence about it with `MASK` in place of what the picture shows, and the passage it came from."""

    image: str
    sentence: str
    passage: str


def cloze_triplets(
    entries: Iterable[WitEntry], image_of: Callable[[str], str | None], *, passage: PassageRule = "remaining"
) -> Iterator[ClozeTriplet]:
    """Yield the triplet of each entry that has one, in order.

    Args:
        entries: of WIT, e.g. `raqo.preference_data.sources.wit.read_wit`.
        image_of: image URL to the path of the picture, or None where there is none; those entries are passed over.
        passage: the sentences that K is made of: all but T, or only those after it.
    """
    for entry in entries:
        image = image_of(entry.image_url)
        found = cloze(entry, passage=passage) if image is not None else None
        if image is not None and found is not None:
            yield ClozeTriplet(image, *found)


def cloze(entry: WitEntry, *, passage: PassageRule = "remaining") -> tuple[str, str] | None:
    """T and K of one entry.

    Returns:
        None where neither title nor caption stands in the text, where the text has a single sentence or none is left
        for K, or where masking leaves no word of T.
    """
    name = _name(entry)
    if name is None:
        return None
    sentences = _sentences(entry.context, name)
    at = next((row for row, sentence in enumerate(sentences) if name.search(sentence)), None)
    if at is None:
        return None
    rest = sentences[at + 1 :] if passage == "following" else sentences[:at] + sentences[at + 1 :]
    asked = _masked(sentences[at], name, frozenset(words(entry.caption)))
    if not rest or not _WORD.search(asked):
        return None
    return asked, " ".join(rest)


def _name(entry: WitEntry) -> re.Pattern[str] | None:
    """Finds in the text what the page is about; None where the text does not say it."""
    for name in (entry.title, _BRACKETS.sub("", entry.title).strip(), entry.caption):
        pattern = re.compile(rf"(?<!\w){re.escape(name)}(?!\w)", re.IGNORECASE)
        if _WORD.search(name) and pattern.search(entry.context):
            return pattern
    return None


def _sentences(text: str, name: re.Pattern[str]) -> list[str]:
    """Cut a text after ``.``, ``!`` and ``?``, but never inside the name (*St. Louis*)."""
    inside = [match.span() for match in name.finditer(text)]
    cuts = [
        cut for cut in _ENDS.finditer(text) if not any(start < cut.end() and cut.start() < end for start, end in inside)
    ]
    starts, ends = [0, *(cut.end() for cut in cuts)], [*(cut.start() for cut in cuts), len(text)]
    return [text[start:end] for start, end in zip(starts, ends, strict=True) if text[start:end].strip()]


def _masked(sentence: str, name: re.Pattern[str], told: frozenset[str]) -> str:
    """The sentence without the name, and without the words that the caption tells; function words stay."""
    unnamed = name.sub(MASK, sentence)
    return _WORD.sub(lambda word: MASK if told.intersection(words(word[0])) else word[0], unnamed)
