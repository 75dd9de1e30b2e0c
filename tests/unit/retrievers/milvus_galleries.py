"""Generated passages, and a comparison that holds for every Milvus."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

from raqo.records import Document, Query
from raqo.retrievers.build import build_retriever
from raqo.retrievers.settings import RetrieverSettings
from raqo.retrievers.weighted_query import WeightedQuery

VOCABULARY = [f"{first}{second}ing" for first in "bcdfghklmnprst" for second in ("a", "e", "i", "o", "u", "ar", "el")]
WEIGHTS = [1 / (rank + 3) for rank in range(len(VOCABULARY))]


def passages(count: int, *, seed: int = 0) -> list[Document]:
    """Texts of 6 to 60 words, some of them copies."""
    rng = random.Random(seed)
    texts = [" ".join(rng.choices(VOCABULARY, WEIGHTS, k=rng.randint(6, 60))) for _ in range(count)]
    return [Document(f"p{row:05}", text=texts[row // 2 if row % 9 == 0 else row]) for row in range(count)]


def _weighted(rng: random.Random, query_id: str) -> WeightedQuery:
    """Terms of one and two words, weights that Milvus can be told exactly, and a text that none of them is in."""
    terms = [(" ".join(rng.choices(VOCABULARY, k=1 + row % 2)), rng.randint(0, 20) / 20) for row in range(4)]
    return WeightedQuery(query_id, "unknown", terms=(*terms, (rng.choice(VOCABULARY), 1.0)))


def same_as_bm25(settings: RetrieverSettings, index_dir: Path) -> None:
    """Compare 2,000 passages in Milvus with raqo's own bm25: same order, scores k1 + 1 times as high."""
    documents, rng = passages(2000), random.Random(2)
    plain = [Query(str(row), f"the {' '.join(rng.choices(VOCABULARY, k=4))} unknown") for row in range(40)]
    queries = [*plain, *(_weighted(rng, f"w{row}") for row in range(20))]
    there = build_retriever(settings, documents, index_dir=index_dir)
    here = build_retriever(replace(settings, kind="bm25"), documents, index_dir=index_dir)
    for query, ours, theirs in zip(queries, here.search(queries, k=60), there.search(queries, k=60), strict=True):
        factor = settings.k1 + 1
        assert len(ours.hits) == len(theirs.hits)
        for left, right in zip(ours.hits, theirs.hits, strict=True):
            assert abs(left.score * factor - right.score) < 1e-4
        own = here.similarity([query] * len(theirs.hits), [hit.doc_id for hit in theirs.hits])
        assert all(abs(score * factor - hit.score) < 1e-4 for score, hit in zip(own, theirs.hits, strict=True))
    doc_ids = [rng.choice(documents).doc_id for _ in queries]
    scores = there.similarity(queries, doc_ids)
    assert abs(scores - here.similarity(queries, doc_ids) * (settings.k1 + 1)).max() < 1e-4
    assert (scores == 0).any()
    assert (scores > 0).any()
