"""A rewrite may only touch what it was asked to: everything else of the query is put back, no term gets lost."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import SequenceMatcher

from raqo.agents.spans import Word, is_content, words_of


def restored(text: str, rewrite: str, concepts: Sequence[str]) -> str:
    """Undo the changes of a rewrite that lie outside the challenging concepts; an empty rewrite stays empty.

    Content words of `text` that belong to no concept and are nowhere in `rewrite` come back where they stood, in their
    own words; if a change mixes them with concepts, that whole change is undone. Content words that `rewrite` adds
    outside any change of a concept go, unless a concept is gone from its place: then they may be its new wording.
    Singular and plural count as one word. If a term is still missing then (words were moved about), `text` is returned.
    """
    old, new = words_of(text), words_of(rewrite)
    if not new:
        return ""
    free = {stem for concept in concepts for stem in _stems(words_of(concept))}
    here, there = set(_stems(old)), set(_stems(new))
    changes = SequenceMatcher(None, [word.form for word in old], [word.form for word in new], autojunk=False)
    spans = [tuple(places) for tag, *places in changes.get_opcodes() if tag != "equal"]
    moved = any(start == end and free.intersection(_stems(old[first:last])) for first, last, start, end in spans)
    # from the end, so that the places before stay valid
    for first, last, start, end in reversed(spans):
        dropped = _stems(old[first:last])
        lost = set(dropped) - free - there
        put_in = set(_stems(new[start:end]))
        invented = put_in and not put_in & here and not moved and not free.intersection(dropped)
        if lost or invented:
            rewrite = _put(rewrite, (new, start, end), text, (old, first, last))
    return text if here - free - set(_stems(words_of(rewrite))) else rewrite


def _stems(words: Sequence[Word]) -> list[str]:
    return [_singular(word.form) for word in words if is_content(word.form)]


def _singular(word: str) -> str:
    stem = re.sub(r"['’]s$", "", word)
    if len(stem) > 4 and stem.endswith(("ches", "shes", "sses", "xes", "zes")):
        return stem[:-2]
    return stem[:-1] if len(stem) > 3 and stem.endswith("s") and not stem.endswith("ss") else stem


_Place = tuple[Sequence[Word], int, int]


def _put(rewrite: str, there: _Place, text: str, here: _Place) -> str:
    """Exchange words of the rewrite for words of the text, each with what stands before them."""
    (new, start, end), (old, first, last) = there, here
    if end == 0:  # nothing stands before the first word: the text's words come with what follows them
        return text[: old[last].start] + rewrite[new[0].start :] if last < len(old) else f"{text} {rewrite}"
    piece = text[_edge(old, first) : old[last - 1].end] if last > first else ""
    before, after = rewrite[: _edge(new, start)], rewrite[new[end - 1].end if end > start else _edge(new, start) :]
    if not before:
        return f"{piece}{after}".lstrip(" ,")
    return f"{before} {piece}{after}" if piece[:1].isalnum() else f"{before}{piece}{after}"


def _edge(words: Sequence[Word], place: int) -> int:
    return words[place - 1].end if place else 0
