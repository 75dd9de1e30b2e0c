"""What a run's rewriter makes of short queries about the sample world: one of each form for every kind of object.

    python benchmarks/short_queries.py runs/demo

Right are queries that hold all the common words afterwards; a familiar word in their place counts as wrong.
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path

from raqo.graphs.rewriting import rewrite_queries
from raqo.records import KeptReason, Query
from raqo.sample.captions import with_article
from raqo.sample.vocabulary import HELD_OUT, Concept, concepts
from raqo.workflows.rewrite import served_context

MINED = 0
"""A rare wording that mining meets, by its place in `Concept.rare`."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="a finished run folder")
    context = served_context(parser.parse_args().run)
    print(f"{'':<34}{'queries':>8}{'rewritten':>10}{'right':>7}")
    for name, pairs in _sets().items():
        queries = [Query(str(row), text) for row, (text, _) in enumerate(pairs)]
        found = rewrite_queries(queries, retriever=context.retriever, rewriter=context.rewriter, gate=context.gate)
        rewritten = sum(result.kept is KeptReason.NONE for result in found)
        right = sum(_holds(one.final_text, wanted) for one, (_, wanted) in zip(found, pairs, strict=True))
        print(f"{name:<34}{len(pairs):>8}{rewritten:>10}{right:>7}")


def _sets() -> dict[str, list[tuple[str, str]]]:
    """Queries with the common words that they should hold afterwards."""
    kinds = [concept for (slot, _), concept in concepts().items() if slot == "kind"]
    sets = {"common word alone": [(kind.common, kind.common) for kind in kinds]}
    for label, place in (("rare", MINED), ("held-out", HELD_OUT[0])):
        sets[f"{label} word alone"] = [(kind.rare[place], kind.common) for kind in kinds]
        sets[f"{label} colour and kind"] = _coloured(kinds, place)
    return sets


def _coloured(kinds: list[Concept], place: int) -> list[tuple[str, str]]:
    colours = [concept for (slot, _), concept in concepts().items() if slot == "colour"]
    rng = random.Random(0)
    drawn = [(rng.choice(colours), kind) for kind in kinds]
    return [
        (with_article(f"{colour.rare[place]} {kind.rare[place]}"), f"{colour.common} {kind.common}")
        for colour, kind in drawn
    ]


def _holds(text: str, wanted: str) -> bool:
    return set(wanted.split()) <= set(text.split())


if __name__ == "__main__":
    main()
