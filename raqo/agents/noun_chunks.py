"""Captions cut into noun chunks, and what a question calls the thing it asks about: by word lists, without a parser."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from raqo.agents.spans import is_content, runs_of, words_of
from raqo.agents.term_weights import is_keyword

DEMONSTRATIVE = frozenset(("this", "that", "these", "those"))
PLACE = frozenset(
    (
        "left", "right", "behind", "front", "next", "top", "under", "below", "above", "beside", "near", "nearby", "far",
        "between", "against", "side", "middle", "first", "second", "third", "last", "other", "another",
    )
)  # fmt: skip
# nouns that say what kind of thing is meant and leave open which
_GENERAL = frozenset(
    (
        "thing", "things", "object", "objects", "item", "items", "animal", "animals", "creature", "creatures", "plant",
        "plants", "vehicle", "vehicles", "place", "device", "devices", "tool", "tools", "food", "dish", "fruit",
        "vegetable", "drink", "building", "structure", "furniture", "equipment", "sport", "game",
    )
)  # fmt: skip


def chunks(caption: str) -> list[tuple[str, ...]]:
    """The noun chunks of a caption or list of names: runs of casefolded words without function words, places, verbs."""
    found: list[tuple[str, ...]] = []
    for run in runs_of(caption, words_of(caption)):
        current: list[str] = []
        for word in run:
            if _may_be_named(word.form):
                current.append(word.form)
            elif current:
                found.append(tuple(current))
                current = []
        if current:
            found.append(tuple(current))
    return found


def _may_be_named(form: str) -> bool:
    return is_content(form) and form not in PLACE and not form.endswith("ing")


def is_list(caption: str) -> bool:
    """Names with commas between them and nothing else."""
    return all(is_content(word.form) for word in words_of(caption))


def noun_of(asked: Sequence[str]) -> str:
    """What the question calls the thing in the picture: a general noun, or what follows *this*."""
    general = next((form for form in asked if form in _GENERAL), "")
    after = (following for before, following in pairwise(asked) if before in DEMONSTRATIVE)
    return general or next((form for form in after if is_keyword(form)), "")
