"""Rows with a part of a query: people ask for "a crimson hound" too, not only in whole sentences.

A short query has no single target, so mining cannot judge it, and a model that has learnt from long ones alone goes on
to write a long one. A query and its rewrite are cut at the same places instead, never inside a challenging concept.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path

from raqo.agents.prompts import ANY_CONCEPT, join_concepts, render_detect, render_rewrite
from raqo.agents.spans import Span, Word, find_spans, is_content, words_of
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

    Both are cut between words outside the concepts, or where concepts begin or end (side by side they count as one);
    the last word of either is a content word.

    Returns:
        The fragment, its rewrite and the concepts in it; None where there is nothing to cut, or where the rewrite
        changed more than the concepts or may be read in two ways.
    """
    old, new = words_of(query), words_of(rewrite)
    spans = _blocks([span for concept in concepts for span in find_spans(old, words_of(concept))])
    places = _places([_form(word) for word in old], [_form(word) for word in new], spans)
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
    named = [concept for concept in concepts if find_spans(old[first:last], words_of(concept))]
    return (
        query[old[first].start : old[last - 1].end],
        rewrite[new[begin].start : new[end - 1].end],
        tuple(dict.fromkeys(named)),
    )


def _blocks(spans: Sequence[Span]) -> list[Span]:
    """In order; those that touch or share words are one: what became of each alone cannot be told."""
    found: list[Span] = []
    for span in sorted(spans):
        if found and span.first <= found[-1].last:
            span = Span(found[-1].first, max(found.pop().last, span.last))
        found.append(span)
    return found


def _places(old: Sequence[str], new: Sequence[str], changed: Sequence[Span]) -> list[tuple[int, int]]:
    """Where both may be cut: before a word of the one and a word of the other.

    What stands between the changed spans must stand in the new text as well, in its order, with at least a word for
    each span. None where that is not so, or is so in more than one way.
    """
    edges = [Span(0, 0), *changed, Span(len(old), len(old))]
    kept = [(span.last, following.first) for span, following in pairwise(edges)]
    ways = list(islice(_ways([list(old[first:last]) for first, last in kept], list(new), 0), 2))
    if len(ways) != 1:
        return []
    return [
        (first + step, begin + step)
        for (first, last), begin in zip(kept, ways[0], strict=True)
        for step in range(last - first + 1)
    ]


def _ways(kept: Sequence[list[str]], new: list[str], start: int) -> Iterator[tuple[int, ...]]:
    """Where the pieces may begin: one at `start`, others a word or more behind the one before, the last at the end."""
    (piece, *others), end = kept, start + len(kept[0])
    if new[start:end] != piece:
        return
    if not others:
        if end == len(new):
            yield (start,)
        return
    for following in range(end + 1, len(new) + 1):
        yield from ((start, *found) for found in _ways(others, new, following))


def _form(word: Word) -> str:
    return "a" if word.form == "an" else word.form


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
