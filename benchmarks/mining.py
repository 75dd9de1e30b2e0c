"""Throughput of mining in batches against the same calls one query at a time, in the same run.

    python benchmarks/mining.py --queries 300

Both sides run the same graph over the same queries with the sample's CLIP, a fresh encoder each, and must write the
same traces. The gallery holds texts, so that no pictures need to be drawn; the lexicon is a small one, learnt before.
Shared machines are noisy: read the ratio.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from raqo.agents.lexical import LexicalPerturber, LexicalReviewer
from raqo.agents.lexicon import Lexicon, LexiconSettings, learn_lexicon
from raqo.agents.vocabulary import Vocabulary, count_phrases
from raqo.graphs.mining import mine
from raqo.graphs.settings import MiningSettings
from raqo.preference_data.sentence_encoder import SentenceEncoder
from raqo.protocols import Retriever
from raqo.records import Document, Query, RetrievalDataset, Trace
from raqo.retrievers.build import build_encoder, build_retriever
from raqo.retrievers.settings import RetrieverSettings
from raqo.sample.queries import challenging_query
from raqo.sample.weights import CLIP_DIR
from raqo.sample.world import split_scenes


class Memory:
    """A sink that keeps the traces."""

    def __init__(self) -> None:
        self.traces: list[Trace] = []

    def write(self, traces: Sequence[Trace]) -> None:
        """Keep them."""
        self.traces += traces


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--queries", type=int, default=300)
    parser.add_argument("--batch-size", type=int, default=256)
    arguments = parser.parse_args()
    dataset = _dataset(arguments.queries)
    with tempfile.TemporaryDirectory() as folder:
        lexicon = _lexicon(dataset, Path(folder))
        batched, traces = _rate(dataset, lexicon, Path(folder), arguments.batch_size)
        loop, same = _rate(dataset, lexicon, Path(folder), 1)
    assert sorted(map(repr, traces)) == sorted(map(repr, same)), "batched mining and the loop found different things"
    print(f"{'':24}{'loop':>12}{'batched':>12}{'ratio':>8}")
    print(f"{'mine, queries/s':24}{loop:12.1f}{batched:12.1f}{batched / loop:8.1f}")


def _dataset(count: int) -> RetrievalDataset:
    rng = random.Random(0)
    asked = [challenging_query(item.scene, rng, held_out=False) for item in split_scenes(0)["train"][:count]]
    return RetrievalDataset(
        name="benchmark",
        split="train",
        documents=tuple(Document(f"{row:06}", text=query.reference) for row, query in enumerate(asked)),
        queries=tuple(Query(f"q{row:06}", query.text) for row, query in enumerate(asked)),
        targets={f"q{row:06}": (f"{row:06}",) for row in range(count)},
    )


def _retriever(dataset: RetrievalDataset, folder: Path) -> Retriever:
    """A retriever whose encoder remembers no text yet; the index is reused."""
    settings = RetrieverSettings(model=f"local-dir:{CLIP_DIR}")
    return build_retriever(settings, dataset.documents, index_dir=folder / "index", encoder=build_encoder(settings))


def _lexicon(dataset: RetrievalDataset, folder: Path) -> Lexicon:
    texts = [query.text for query in dataset.queries]
    return learn_lexicon(
        [(query.text, dataset.targets[query.query_id][0]) for query in dataset.queries],
        retriever=_retriever(dataset, folder),
        vocabulary=Vocabulary(count_phrases(texts), SentenceEncoder()),
        settings=LexiconSettings(neighbours=6, seen=2, first_queries=2, survivors=2, more_queries=2),
    )


def _rate(dataset: RetrievalDataset, lexicon: Lexicon, folder: Path, batch_size: int) -> tuple[float, list[Trace]]:
    retriever, encoder, sink = _retriever(dataset, folder), SentenceEncoder(), Memory()
    encoder.encode_texts(["loads the model"])
    # every query whose target is not the first hit is mined, so that the loop has something to do
    settings = MiningSettings(unambiguous_at=1, ambiguous_beyond=1, batch_size=batch_size)
    started = time.perf_counter()
    mine(
        dataset,
        retriever=retriever,
        reviewer=LexicalReviewer(lexicon),
        perturber=LexicalPerturber(lexicon),
        text_encoder=encoder,
        sink=sink,
        settings=settings,
    )
    return len(dataset.queries) / (time.perf_counter() - started), sink.traces


if __name__ == "__main__":
    main()
