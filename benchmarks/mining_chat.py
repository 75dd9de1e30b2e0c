"""How well mining keeps a chat server busy, and what a call costs this process.

    python benchmarks/mining_chat.py --queries 2500

The server is a process of its own on loopback, with 200 ms until an answer and room for 64 calls at once, so 320 calls
a second are ideal. Achieved over ideal is calls x latency / 64 / wall time, all of the run included: the start with few
calls at once, and the end with a few late batches. CPU per call is that of this process: graph, prompts, client, flow
control, ledger, answer cache and trace log. Retriever and sentence encoder do next to nothing, as CLIP on a CPU would
be measured instead; every query stays ambiguous through all rounds. Documents are texts; with `--images` a call shows
six pictures of 224 pixels, and their decoding and encoding counts too.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from raqo.protocols import FloatArray
from raqo.records import Document, Hit, Query, Ranking, RetrievalDataset
from raqo.testing_server import serving

LATENCY_S, ROOM = 0.2, 64
ROUNDS, SHOWN = 3, 50


class Stubborn:
    """A retriever that finds the same documents whatever is asked, and never the target."""

    fingerprint, size = "stubborn", SHOWN + 1

    def search(self, queries: Sequence[Query], *, k: int) -> list[Ranking]:
        """The same hits for all."""
        hits = tuple(Hit(f"d{place:02}", 1.0 - place / 100) for place in range(min(k, SHOWN)))
        return [Ranking(query.query_id, hits) for query in queries]

    def similarity(self, queries: Sequence[Query], doc_ids: Sequence[str]) -> FloatArray:
        """The longer the better, so that every round asks about another wording."""
        return np.array([len(query.text) / 1000 for query in queries], dtype=np.float32)

    def fits(self, texts: Sequence[str]) -> list[bool]:
        """Everything fits."""
        return [True] * len(texts)


class Alike:
    """A sentence encoder for which all texts mean the same."""

    fingerprint = "alike"

    def encode_texts(self, texts: Sequence[str]) -> FloatArray:
        """The same row for all."""
        return np.ones((len(texts), 1), dtype=np.float32)


def answer(body: Mapping[str, Any]) -> str:
    """Two rewrites that were not there before."""
    asked = json.loads(body["messages"][1]["content"][0]["text"])
    rewrites = [f"{asked['current_query']} {word}" for word in ("again", "once more")]
    return json.dumps({"difference": "d", "weakness": "w", "concepts": ["boat"], "rewrites": rewrites})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--queries", type=int, default=2500)
    parser.add_argument("--images", action="store_true", help="documents are pictures")
    arguments = parser.parse_args()
    server = f"--answer benchmarks.mining_chat:answer --latency {LATENCY_S} --room {ROOM} --queues".split()
    with tempfile.TemporaryDirectory() as folder, serving(*server) as url:
        dataset = _dataset(arguments.queries, Path(folder), images=arguments.images)
        asked, wall, cpu = _measure(dataset, url, Path(folder))
        with urllib.request.urlopen(url.removesuffix("/v1") + "/stats") as stats:
            calls, peak = json.load(stats).values()
    assert asked == calls, f"{asked} answers from {calls} calls"
    print(f"{'calls':>8}{'at once':>9}{'wall, s':>10}{'calls/s':>10}{'of ideal':>10}{'CPU ms/call':>13}")
    ideal = calls * LATENCY_S / ROOM
    print(f"{calls:8}{peak:9}{wall:10.1f}{calls / wall:10.0f}{ideal / wall:10.0%}{1000 * cpu / calls:13.2f}")


def _dataset(count: int, folder: Path, *, images: bool) -> RetrievalDataset:
    names = [*(f"d{place:02}" for place in range(SHOWN)), "target"]
    documents = tuple(
        Document(name, image=_picture(folder, name)) if images else Document(name, text=f"a red boat, number {name}")
        for name in names
    )
    queries = tuple(Query(f"q{row:06}", f"a boat at number {row}") for row in range(count))
    return RetrievalDataset("benchmark", "train", documents, queries, {q.query_id: ("target",) for q in queries})


def _picture(folder: Path, name: str) -> str:
    from PIL import Image

    path = folder / f"{name}.png"
    Image.effect_noise((224, 224), 40).convert("RGB").save(path)
    return str(path)


def _measure(dataset: RetrievalDataset, url: str, folder: Path) -> tuple[int, float, float]:
    import openai  # noqa: F401 - takes a second, which is no part of mining

    from raqo.agents.chat.build import build_chat
    from raqo.agents.chat.event_loop import chat_loop
    from raqo.agents.chat.ledger import Ledger
    from raqo.agents.chat.settings import ChatSettings
    from raqo.agents.perturber import ChatPerturber
    from raqo.agents.reviewer import ChatReviewer
    from raqo.graphs.mining import mine
    from raqo.graphs.settings import MiningSettings
    from raqo.preference_data.trace_log import TraceLog

    chat_loop()
    chat = build_chat(
        ChatSettings(preset="vllm", model="scripted", base_url=url),
        ledger=Ledger(folder / "spend.jsonl", budget=None),
        cache=folder / "answers.sqlite",
    )
    documents = {document.doc_id: document for document in dataset.documents}
    with TraceLog(folder / "traces.jsonl", retriever=Stubborn.fingerprint, settings="benchmark") as log:
        started, worked = time.perf_counter(), time.process_time()
        report = mine(
            dataset,
            retriever=Stubborn(),
            reviewer=ChatReviewer(chat=chat, documents=documents),
            perturber=ChatPerturber(chat),
            text_encoder=Alike(),
            sink=log,
            settings=MiningSettings(max_rounds=ROUNDS),
            asks_chat=True,
        )
        wall, cpu = time.perf_counter() - started, time.process_time() - worked
    assert not report.failures, report.failures
    return report.cost.chat_calls, wall, cpu


if __name__ == "__main__":
    main()
