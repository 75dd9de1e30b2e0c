"""Throughput of mining in batches against a plain loop of the same calls, one text each, in the same run.

    python benchmarks/mining.py --queries 400

Both mine the sample's training queries in a gallery of as many of its pictures, with the demo's settings and a small
lexicon, learnt before. The loop (`mining_loop.py`) calls open_clip, numpy and sentence-transformers directly, with all
threads of torch and with one, which is faster where the machine has other work: the faster of the two is the one to
compare with. Another makes its calls through raqo's own retriever and encoder, which fill up every batch and so suit no
loop. All begin without a vector in memory, and must make the same calls and come to the same verdicts and accepted
wordings. Shared machines are noisy: each side has its best of several runs in turns; read the ratio.
"""

from __future__ import annotations

import argparse
import logging
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from mining_loop import Loop, Outcome, PlainClip, PlainSentences

from raqo.agents.lexical import LexicalPerturber, LexicalReviewer
from raqo.agents.lexicon import Lexicon, LexiconSettings, learn_lexicon
from raqo.agents.vocabulary import Vocabulary, count_phrases
from raqo.graphs.mining import mine
from raqo.graphs.settings import MiningSettings
from raqo.preference_data.sentence_encoder import SentenceEncoder
from raqo.protocols import Retriever, TextEncoder
from raqo.records import Origin, RetrievalDataset, Trace
from raqo.retrievers.build import build_encoder, build_retriever
from raqo.retrievers.settings import RetrieverSettings
from raqo.sample.dataset import sample_dataset
from raqo.sample.weights import CLIP_DIR

CLIP = RetrieverSettings(model=f"local-dir:{CLIP_DIR}")
DEMO = MiningSettings(max_rounds=2, samples_per_round=5)
STAGES = {"all": "mining, all of it", "retrieve": "search and similarity", "text_similarity": "text similarity"}


@dataclass(frozen=True)
class Timed:
    """What one run took, the wordings it searched and encoded, and what it found by query."""

    wordings: int
    seconds: Mapping[str, float]
    found: Mapping[str, Outcome]


@dataclass
class Memory:
    """A sink that keeps the traces."""

    traces: list[Trace]

    def write(self, traces: Sequence[Trace]) -> None:
        """Keep them."""
        self.traces += traces


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--queries", type=int, default=400, help="and pictures of the gallery")
    parser.add_argument("--runs", type=int, default=3, help="of each side, of which the best counts")
    arguments = parser.parse_args()
    logging.getLogger().setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        dataset = sample_dataset("train", cache_dir=folder, limit=arguments.queries)
        lexicon = _lexicon(dataset, folder)
        sides = {
            "batched": _batched,
            "plain loop": partial(_plain_loop, threads=torch.get_num_threads()),
            "loop, one thread": partial(_plain_loop, threads=1),
            "loop through raqo": _raqo_loop,
        }
        runs = {name: list[Timed]() for name in sides}
        for _ in range(arguments.runs):
            for name, side in sides.items():
                runs[name].append(side(dataset, lexicon, folder))
    best = {name: min(timed, key=lambda one: one.seconds["all"]) for name, timed in runs.items()}
    for name, one in best.items():
        same = (one.wordings, one.found) == (best["batched"].wordings, best["batched"].found)
        assert same, f"{name}: other calls or another outcome than batched mining"
    _print(best, len(dataset.queries))


def _print(best: Mapping[str, Timed], queries: int) -> None:
    batched = best["batched"]
    accepted = sum(good for _, *tried in batched.found.values() for row in tried for _, good in row)
    print(f"{queries} queries, {queries} pictures, {batched.wordings} wordings, {accepted} of them accepted")
    print(f"{'wordings per second':24}" + "".join(f"{name:>18}{'ratio':>8}" for name in best))
    for stage, label in STAGES.items():
        cells = [f"{one.wordings / one.seconds[stage]:18.1f}" for one in best.values()]
        ratios = [f"{one.seconds[stage] / batched.seconds[stage]:8.1f}" for one in best.values()]
        print(f"{label:24}" + "".join(cell + ratio for cell, ratio in zip(cells, ratios, strict=True)))


def _retriever(dataset: RetrievalDataset, folder: Path) -> Retriever:
    """A retriever whose encoder remembers no text yet; the index is reused."""
    return build_retriever(CLIP, dataset.documents, index_dir=folder / "index", encoder=build_encoder(CLIP))


def _lexicon(dataset: RetrievalDataset, folder: Path) -> Lexicon:
    return learn_lexicon(
        [(query.text, dataset.targets[query.query_id][0]) for query in dataset.queries],
        retriever=_retriever(dataset, folder),
        vocabulary=Vocabulary(count_phrases(query.text for query in dataset.queries), SentenceEncoder()),
        settings=LexiconSettings(neighbours=6, seen=2, first_queries=2, survivors=2, more_queries=2),
    )


def _batched(dataset: RetrievalDataset, lexicon: Lexicon, folder: Path) -> Timed:
    retriever, encoder, sink = _retriever(dataset, folder), SentenceEncoder(), Memory([])
    encoder.encode_texts(["loads the model"])
    started = time.perf_counter()
    report = mine(
        dataset,
        retriever=retriever,
        reviewer=LexicalReviewer(lexicon),
        perturber=LexicalPerturber(lexicon),
        text_encoder=encoder,
        sink=sink,
        settings=DEMO,
    )
    seconds = time.perf_counter() - started
    return Timed(report.cost.retriever_queries // 2, {**report.seconds, "all": seconds}, _outcomes(sink.traces))


def _outcomes(traces: Sequence[Trace]) -> dict[str, Outcome]:
    tried = {(trace.query_id, trace.origin): tuple((a.text, a.accepted) for a in trace.attempts) for trace in traces}
    return {
        trace.query_id: (
            trace.raw.verdict,
            tried[trace.query_id, Origin.OPTIMIZE],
            tried.get((trace.query_id, Origin.PERTURB), ()),
        )
        for trace in traces
    }


def _plain_loop(dataset: RetrievalDataset, lexicon: Lexicon, folder: Path, *, threads: int) -> Timed:
    documents = sorted(dataset.documents, key=lambda document: document.doc_id)
    gallery = build_encoder(CLIP).encode_images([document.image or "" for document in documents])
    clip = PlainClip(CLIP_DIR, [document.doc_id for document in documents], gallery)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)  # the encoder of the gallery sets it, too: not before
    try:
        return _looped(dataset, lexicon, clip, PlainSentences())
    finally:
        torch.set_num_threads(before)


def _raqo_loop(dataset: RetrievalDataset, lexicon: Lexicon, folder: Path) -> Timed:
    return _looped(dataset, lexicon, _retriever(dataset, folder), SentenceEncoder())


def _looped(dataset: RetrievalDataset, lexicon: Lexicon, retriever: Retriever, encoder: TextEncoder) -> Timed:
    encoder.encode_texts(["loads the model"])
    loop = Loop(retriever, LexicalReviewer(lexicon), LexicalPerturber(lexicon), encoder, DEMO)
    started = time.perf_counter()
    found = {query.query_id: loop.mine(query, dataset.targets[query.query_id][0]) for query in dataset.queries}
    seconds = time.perf_counter() - started
    return Timed(loop.wordings, {**loop.seconds, "all": seconds}, found)


if __name__ == "__main__":
    main()
