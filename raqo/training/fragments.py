"""Rows with a part of a query: people ask for "a crimson hound" too, not only in whole sentences.

A short query has no single target, so mining cannot judge it, and a model that has learnt from long ones alone goes on
to write a long one. A query and its rewrite are cut at the same places instead, never inside a challenging concept.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path

from raqo.agents.prompts import ANY_CONCEPT, join_concepts, render_detect, render_rewrite
from raqo.agents.spans import Word, find_spans, is_content, words_of
from raqo.training.rows import Pair

MOST_WORDS = 6


@dataclass(frozen=True, slots=True)
class FragmentRows:
    """Rows of detection, of rewriting with named concepts, and of rewriting without (see `TrainingData`)."""

    ccd: tuple[Pair, ...] = ()
    qre: tuple[Pair, ...] = ()
    draft: tuple[Pair, ...] = ()


def fragment_rows(folder: Path, *, share: float, seed: int) -> FragmentRows:
    """Cut fragments from ``qre.jsonl`` and from the queries of ``ccd.jsonl`` in which nothing is challenging.

    Args:
        folder: as written by `raqo build-data`.
        share: fragments for each of these rows; one that cannot be cut is passed over.
        seed: which rows, and where they are cut.
    """
    rows = [row for name in ("qre", "ccd") for row in _read(folder / f"{name}.jsonl")]
    rng = random.Random(f"fragments-{seed}")
    ccd: list[Pair] = []
    qre: list[Pair] = []
    draft: list[Pair] = []
    for query, rewrite, concepts in rng.choices(rows, k=round(share * len(rows))) if rows else ():
        cut = fragment(query, rewrite, concepts, rng)
        if cut is None:
            continue
        part, wording, named = cut
        ccd.append(Pair(render_detect(part), f" {join_concepts(named)}"))
        draft.append(Pair(render_rewrite(part, ANY_CONCEPT), f" {wording}"))
        if named:
            qre.append(Pair(render_rewrite(part, named), f" {wording}"))
    return FragmentRows(tuple(ccd), tuple(qre), tuple(draft))


def fragment(
    query: str, rewrite: str, concepts: Sequence[str], rng: random.Random
) -> tuple[str, str, tuple[str, ...]] | None:
    """Cut at most `MOST_WORDS` words from a query, and what they became from its rewrite.

    Both are cut where they agree or where a change begins or ends; the last word of either is a content word.

    Returns:
        The fragment, its rewrite and the concepts in it; None where there is nothing to cut.
    """
    old, new = words_of(query), words_of(rewrite)
    spans = [(concept, span) for concept in concepts for span in find_spans(old, words_of(concept))]
    inside = {place for _, span in spans for place in range(span.first + 1, span.last)}
    places = [(first, there) for first, there in _places(old, new) if first not in inside]
    cuts = [
        (start, end)
        for start in places
        for end in places
        if 0 < end[0] - start[0] <= MOST_WORDS
        and end[1] > start[1]
        and is_content(old[end[0] - 1].form)
        and is_content(new[end[1] - 1].form)
    ]
    if not cuts:
        return None
    (first, begin), (last, end) = rng.choice(cuts)
    named = [(span, concept) for concept, span in spans if first <= span.first and span.last <= last]
    return (
        query[old[first].start : old[last - 1].end],
        rewrite[new[begin].start : new[end - 1].end],
        tuple(dict.fromkeys(concept for _, concept in sorted(named))),
    )


def _places(old: Sequence[Word], new: Sequence[Word]) -> list[tuple[int, int]]:
    """Where both may be cut: before a word of the one and a word of the other."""
    matcher = SequenceMatcher(None, [word.form for word in old], [word.form for word in new], autojunk=False)
    found = {(len(old), len(new))}
    for tag, first, last, begin, _ in matcher.get_opcodes():
        found.update((first + step, begin + step) for step in range(last - first if tag == "equal" else 1))
    return sorted(found)


def _read(path: Path) -> list[tuple[str, str, list[str]]]:
    """Query, rewrite and concepts of each row that says them; a query without concepts is its own rewrite."""
    if not path.is_file():
        return []
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [
        (row["query"], row.get("rewrite", row["query"]), row["concepts"])
        for row in rows
        if "query" in row and ("rewrite" in row or row.get("concepts") == [])
    ]
