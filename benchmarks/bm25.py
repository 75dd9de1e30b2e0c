"""BM25 over generated passages: building, then searching from disk, against bm25s, tantivy and rank_bm25 in one run.

    python benchmarks/bm25.py --passages 200000 --passages 1000000

Passages are a file with a line each, words Zipf-distributed, 20 to 80 a passage. Each engine reads that file and builds
in one process, and opens what it built and searches in another, so that every peak of memory is its own; pages of a
mapped index count in it as far as they were touched. rank_bm25 keeps nothing on disk, so it does both in one process,
and its time per query is that of `--slow-queries`. bm25s and raqo search in batches, on all processors. `same` is the
share of the ten hits that raqo has too (tantivy's k1 and b are fixed, at 1.2 and 0.75). Shared machines are noisy: read
the ratios.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

K = 10
WORKERS = os.cpu_count() or 1
Ids = list[list[int]]
Search = Callable[[Sequence[str]], Ids]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--passages", type=int, action="append", help="may be given several times")
    parser.add_argument("--queries", type=int, default=2000)
    parser.add_argument("--slow-queries", type=int, default=5)
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=list(ENGINES))
    parser.add_argument("--child", nargs=3, metavar=("ENGINE", "STEP", "FOLDER"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        _child(*arguments.child[:2], Path(arguments.child[2]))
        return
    for count in arguments.passages or [20_000]:
        with tempfile.TemporaryDirectory() as temporary:
            _compare(count, arguments, Path(temporary))


def _compare(count: int, arguments: argparse.Namespace, folder: Path) -> None:
    subprocess.run([sys.executable, __file__, "--child", f"{count}", f"{arguments.queries}", str(folder)], check=True)
    size = (folder / "passages.txt").stat().st_size / 1e6
    print(f"\n{count:,} passages ({size:.0f} MB), {arguments.queries:,} queries, k={K}, {WORKERS} processors")
    titles = ("build s", 9), ("MB", 7), ("disk MB", 9), ("open s", 8), ("ms/query", 10), ("one by one", 12), ("MB", 7)
    print(" " * 12 + "".join(f"{title:>{width}}" for title, width in (*titles, ("same", 7))))
    reference: Ids = []
    for engine in arguments.engines:
        if importlib.util.find_spec(engine) is None:
            print(f"{engine:<12} is not installed: pip install 'raqo[bench]'")
            continue
        (folder / "queries").write_text(str(arguments.slow_queries if engine == "rank_bm25" else arguments.queries))
        built = {} if engine == "rank_bm25" else _run(engine, "build", folder)
        found = _run(engine, "search", folder)
        reference = reference or found["ids"]
        pairs = list(zip(found["ids"], reference, strict=False))
        same = sum(len(set(ids) & set(others)) for ids, others in pairs) / max(1, sum(len(ids) for ids, _ in pairs))
        print(
            f"{engine:<12}{built.get('s', found['open_s']):>9.1f}{built.get('mb', found['mb']):>7.0f}"
            f"{built.get('disk_mb', 0):>9.0f}{found['open_s'] if built else 0:>8.2f}{found['batch_ms']:>10.3f}"
            f"{found['single_ms']:>12.3f}{found['mb']:>7.0f}{same:>7.1%}",
            flush=True,
        )


def _run(engine: str, step: str, folder: Path) -> dict[str, Any]:
    command = [sys.executable, __file__, "--child", engine, step, str(folder)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    row: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return row


def _child(engine: str, step: str, folder: Path) -> None:
    """Measure one step of one engine, or make the corpus."""
    logging.disable(logging.WARNING)
    if engine.isdecimal():
        _generate(int(engine), int(step), folder)
        return
    index = folder / engine
    started = time.perf_counter()
    if step == "build":
        index.mkdir()
        ENGINES[engine][0](folder, index)
        row: dict[str, Any] = {"s": time.perf_counter() - started, "disk_mb": _size(index)}
    else:
        search = ENGINES[engine][1](folder, index)
        row = {"open_s": time.perf_counter() - started} | _searched(search, folder)
    print(json.dumps(row | {"mb": _peak()}))


def _searched(search: Search, folder: Path) -> dict[str, Any]:
    queries = list(_lines(folder / "queries.txt"))[: int((folder / "queries").read_text())]
    search(queries), search(queries[:1])  # compiles, and reads the pages
    started = time.perf_counter()
    ids = search(queries)
    batch = (time.perf_counter() - started) / len(queries)
    few = queries[:200]
    started = time.perf_counter()
    for query in few:
        search([query])
    single = (time.perf_counter() - started) / len(few)
    return {"ids": ids, "batch_ms": batch * 1000, "single_ms": single * 1000}


def _build_raqo(folder: Path, index: Path) -> None:
    from raqo.records import Document
    from raqo.retrievers.bm25.retriever import Bm25Retriever
    from raqo.retrievers.settings import RetrieverSettings

    passages = (Document(f"{row:08}", text=line) for row, line in enumerate(_lines(folder / "passages.txt")))
    Bm25Retriever.build_stream(RetrieverSettings(kind="bm25"), passages, index_dir=index)


def _open_raqo(folder: Path, index: Path) -> Search:
    from raqo.records import Query
    from raqo.retrievers.bm25.retriever import Bm25Retriever
    from raqo.retrievers.settings import RetrieverSettings

    retriever = Bm25Retriever.open(RetrieverSettings(kind="bm25"), next(index.glob("bm25-*")))

    def search(texts: Sequence[str]) -> Ids:
        rankings = retriever.search([Query("", text) for text in texts], k=K)
        return [[int(hit.doc_id) for hit in ranking.hits] for ranking in rankings]

    return search


def _build_bm25s(folder: Path, index: Path) -> None:
    import bm25s

    tokens = bm25s.tokenize(list(_lines(folder / "passages.txt")), show_progress=False)
    model = bm25s.BM25(method="lucene", k1=0.9, b=0.4)
    model.index(tokens, show_progress=False)
    model.save(index, show_progress=False)


def _open_bm25s(folder: Path, index: Path) -> Search:
    import bm25s

    model = bm25s.BM25.load(index, mmap=True, backend="numba")

    def search(texts: Sequence[str]) -> Ids:
        tokens = bm25s.tokenize(list(texts), return_ids=False, show_progress=False)
        workers = WORKERS if len(texts) > 1 else 1
        found = model.retrieve(tokens, k=K, n_threads=workers, show_progress=False, backend_selection="numba")
        ids: Ids = found.documents.tolist()
        return ids

    return search


def _build_tantivy(folder: Path, index: Path) -> None:
    import tantivy

    schema = tantivy.SchemaBuilder().add_text_field("text").add_integer_field("row", stored=True, fast=True).build()
    writer = tantivy.Index(schema, path=str(index)).writer(heap_size=256_000_000, num_threads=WORKERS)
    for row, line in enumerate(_lines(folder / "passages.txt")):
        writer.add_document(tantivy.Document(text=line, row=row))
    writer.commit()
    writer.wait_merging_threads()


def _open_tantivy(folder: Path, index: Path) -> Search:
    import tantivy

    opened = tantivy.Index.open(str(index))
    searcher = opened.searcher()

    def one(text: str) -> list[int]:
        hits = searcher.search(opened.parse_query(text, ["text"]), K).hits
        return [searcher.doc(address)["row"][0] for _, address in hits]

    return lambda texts: [one(text) for text in texts]


def _open_rank_bm25(folder: Path, index: Path) -> Search:
    import numpy as np
    from rank_bm25 import BM25Okapi

    model = BM25Okapi([line.split() for line in _lines(folder / "passages.txt")], k1=0.9, b=0.4)

    def one(text: str) -> list[int]:
        ids: list[int] = np.argsort(-model.get_scores(text.split()), kind="stable")[:K].tolist()
        return ids

    return lambda texts: [one(text) for text in texts]


def _nothing(folder: Path, index: Path) -> None:
    """rank_bm25 keeps nothing on disk."""


ENGINES: dict[str, tuple[Callable[[Path, Path], None], Callable[[Path, Path], Search]]] = {
    "raqo": (_build_raqo, _open_raqo),
    "bm25s": (_build_bm25s, _open_bm25s),
    "tantivy": (_build_tantivy, _open_tantivy),
    "rank_bm25": (_nothing, _open_rank_bm25),
}


def _generate(count: int, queries: int, folder: Path, *, vocabulary: int = 300_000, batch: int = 10_000) -> None:
    """Write passages, and queries of five words of a passage that are not among the 50 most frequent ones."""
    import numpy as np

    rng = np.random.default_rng(0)
    words = np.array([_word(number) for number in range(vocabulary)], dtype=object)
    shares = np.cumsum(1 / (np.arange(vocabulary) + 2.7))
    with open(folder / "passages.txt", "w", encoding="ascii") as passages, open(folder / "queries.txt", "w") as asked:
        for first in range(0, count, batch):
            lengths = rng.integers(20, 80, min(batch, count - first))
            drawn = np.searchsorted(shares, rng.random(lengths.sum()) * shares[-1])
            for row in np.split(drawn, np.cumsum(lengths)[:-1]):
                passages.write(" ".join(words[row]) + "\n")
                rare = row[row >= 50]
                if queries and len(rare) >= 5:
                    asked.write(" ".join(words[rng.choice(rare, 5, replace=False)]) + "\n")
                    queries -= 1


def _word(number: int) -> str:
    """At least two letters, and no stop word of any engine."""
    letters = "bcdfgjklmpqvxz"
    word = letters[number % 14] + letters[number // 14 % 14]
    while number := number // 14:
        word += letters[number % 14]
    return word


def _lines(path: Path) -> Iterator[str]:
    with open(path, encoding="ascii") as lines:
        for line in lines:
            yield line.rstrip("\n")


def _size(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def _peak() -> float:
    """The most memory that this process held, in MB."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024


if __name__ == "__main__":
    main()
