"""Texts that a model wrote, as one plain line."""

from __future__ import annotations

import re

from raqo.agents.prompts import one_line

# join and separate letters in several scripts and in emoji
_JOINERS = "\u200c\u200d"


def plain_line(text: str) -> str:
    """Fold white space to single blanks; drop what cannot be printed: control, direction and half characters."""
    folded = one_line(text)
    return one_line("".join(character for character in folded if character.isprintable() or character in _JOINERS))


def standing(concept: str, text: str) -> str:
    """The concept as the text writes it, or nothing where the text does not hold it as whole words."""
    wanted = one_line(concept)
    found = wanted and re.search(rf"(?<!\w){re.escape(wanted)}(?!\w)", one_line(text), re.IGNORECASE)
    return found[0] if found else ""
