"""Rewrites are counted a few batches at a time, and are what one pass over all of them gives."""

from __future__ import annotations

from collections.abc import Sequence

from raqo.graphs.gate import Gate
from raqo.graphs.rewriting import rewrite_queries
from raqo.records import Query
from raqo.testing import ToyRetriever, toy_dataset
from raqo.workflows import evaluate


class Upper:
    """Rewrites every word with an ``o`` in it."""

    fingerprint = "upper"

    def detect(self, texts: Sequence[str]) -> list[tuple[str, ...] | None]:
        return [tuple(word for word in text.split() if "o" in word) for text in texts]

    def rewrite(self, texts: Sequence[str], concepts: Sequence[tuple[str, ...]], *, n: int = 1) -> list[list[str]]:
        return [
            [" ".join("red" if word in some else word for word in text.split())]
            for text, some in zip(texts, concepts, strict=True)
        ]


def test_the_bar_moves_by_batches_and_the_rewrites_are_the_same() -> None:
    dataset = toy_dataset()
    queries = [Query(f"q{n}", dataset.queries[n % len(dataset.queries)].text) for n in range(10)]
    retriever = ToyRetriever(dataset.documents)
    moves: list[int] = []
    system = evaluate._rewritten(queries, retriever, Upper(), Gate(), 1, moves.append)
    assert moves == [evaluate.BATCHES_AT_ONCE] * 2 + [10 - 2 * evaluate.BATCHES_AT_ONCE]
    once = rewrite_queries(queries, retriever=retriever, rewriter=Upper(), gate=Gate(), k=10)
    assert list(system.results.values()) == once
    assert system.texts == {result.query.query_id: result.final_text for result in once}
