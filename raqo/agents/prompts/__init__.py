"""Prompts as reviewable Markdown files, and the functions that fill them.

Training and serving render with these same functions, so a rewriter is asked exactly what it was taught (RAQO, ReCoT).
Queries and concepts are data: line breaks are folded, so they cannot open a new field of the prompt.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Sequence
from importlib import resources

NO_CONCEPT = "None"
# Asks for a rewrite of whatever confuses the retriever, where nobody has named it.
ANY_CONCEPT = ("any",)


@functools.cache
def template(name: str) -> str:
    """Return the prompt file ``name`` (without ``.md``), without its final newline."""
    return resources.files(__name__).joinpath(f"{name}.md").read_text(encoding="utf-8").rstrip("\n")


def prompt_hash(*names: str) -> str:
    """Short hash of the named prompt files, for provenance and cache keys."""
    return hashlib.sha256("\0".join(template(name) for name in names).encode()).hexdigest()[:16]


def one_line(text: str) -> str:
    """Fold all white space to single blanks."""
    return " ".join(text.split())


def render_detect(query: str) -> str:
    """ReCoT step 1: ask for the challenging concepts of a query."""
    return template("detect").replace("{query}", one_line(query))


def render_rewrite(query: str, concepts: Sequence[str]) -> str:
    """ReCoT step 2: ask for a rewrite of a query, given its challenging concepts."""
    # one pass over the template: a query containing "{concepts}" must stay what it is
    before, after = template("rewrite").split("{query}")
    return before + one_line(query) + after.replace("{concepts}", join_concepts(concepts))


def join_concepts(concepts: Sequence[str]) -> str:
    """Write concepts the way the rewriter reads and writes them: comma-separated, or ``None``."""
    return ", ".join(one_line(concept).replace(",", " ") for concept in concepts) or NO_CONCEPT


def parse_concepts(text: str) -> tuple[str, ...]:
    """Read what `join_concepts` wrote: first line only, blanks and repeats dropped, ``None`` as the empty tuple."""
    line = text.strip().split("\n", 1)[0]
    concepts = dict.fromkeys(part for raw in line.split(",") if (part := one_line(raw).strip(" .\"'")))
    return tuple(concept for concept in concepts if concept.casefold() != NO_CONCEPT.casefold())
