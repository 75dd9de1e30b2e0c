"""QueryFormer's hash tables (Algorithm 1) against faiss's indexes: recall@10, candidates and time in one run.

    OMP_NUM_THREADS=1 python benchmarks/lsh.py --vectors 200000

Vectors lie around centres; `--spread` is the length of the noise around a centre of length 1, so 1.04 gives loose
clusters (the tenth neighbour at a cosine of about 0.5) and 0.45 tight ones (0.85). Every index is searched through
raqo's `DenseIndex`, which scores the candidates exactly; `candidates` counts those scores per query, not what faiss
compared to choose them. Theory is the mean of 1 - (1 - p^k)^L over the true neighbours, without probes.
"""

from __future__ import annotations

import argparse
import logging
import time

import numpy as np

from raqo.protocols import FloatArray
from raqo.records import Hit
from raqo.retrievers.index_folder import IndexIdentity, Manifest
from raqo.retrievers.index_settings import HammingSettings, HnswSettings, IndexSettings, IvfSettings, LshSettings
from raqo.retrievers.vectors.ann_index import FaissFinder
from raqo.retrievers.vectors.dense_index import DenseIndex
from raqo.retrievers.vectors.faiss_loading import load_faiss
from raqo.retrievers.vectors.lsh import agreement, found_probability
from raqo.retrievers.vectors.lsh_index import LshTables

K = 10

INDEXES: tuple[tuple[str, IndexSettings], ...] = (
    ("Algorithm 1, L=8 k=16", LshSettings(tables=8, hyperplanes=16)),
    ("Algorithm 1, L=16 k=12 (default)", LshSettings()),
    ("Algorithm 1, L=32 k=12", LshSettings(tables=32, hyperplanes=12)),
    ("Algorithm 1, L=32 k=8", LshSettings(tables=32, hyperplanes=8)),
    ("Algorithm 1, L=32 k=10, 4 probes", LshSettings(tables=32, hyperplanes=10, probes=4)),
    ("Algorithm 1, L=16 k=16, 8 probes", LshSettings(tables=16, hyperplanes=16, probes=8)),
    ("Algorithm 1, tuned to 0.8", LshSettings(target_recall=0.8, max_candidates=40_000)),
    ("Algorithm 1, tuned to 0.95", LshSettings(target_recall=0.95, max_candidates=40_000)),
    ("faiss IVF, 8 probes (default)", IvfSettings()),
    ("faiss IVF, 4 of 1024 lists", IvfSettings(lists=1024, probes=4)),
    ("faiss HNSW, 16 links, breadth 32", HnswSettings(links=16, build_breadth=40, search_breadth=32)),
    ("faiss HNSW (default)", HnswSettings()),
    ("faiss LSH, 256 bits, refine 100", HammingSettings()),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--vectors", type=int, default=200_000)
    parser.add_argument("--dimension", type=int, default=256)
    parser.add_argument("--centres", type=int, default=2000)
    parser.add_argument("--queries", type=int, default=500)
    parser.add_argument("--spread", type=float, nargs="+", default=[1.04, 0.45])
    parser.add_argument("--threads", type=int, default=1, help="of faiss; numpy's are set by OMP_NUM_THREADS")
    args = parser.parse_args()
    logging.getLogger().setLevel(logging.ERROR)
    load_faiss().omp_set_num_threads(args.threads)
    for spread in args.spread:
        rng = np.random.default_rng(0)
        centres = _unit(rng.standard_normal((args.centres, args.dimension), dtype=np.float32))
        vectors, queries = (_around(centres, count, spread, rng) for count in (args.vectors, args.queries))
        _compare(vectors, queries, spread)


def _compare(vectors: FloatArray, queries: FloatArray, spread: float) -> None:
    doc_ids = tuple(f"{row:09}" for row in range(len(vectors)))
    identity = IndexIdentity(model="generated", weights="", gallery="")
    manifest = Manifest(identity=identity, doc_ids=doc_ids, skipped=())
    flat = DenseIndex(manifest, vectors)
    found, milliseconds = _timed(flat, queries)
    truth = [{hit.doc_id for hit in hits} for hits in found]
    cosines = np.array([[hit.score for hit in hits] for hits in found])
    count, dimension = vectors.shape
    print(f"\n{count:,} x {dimension}, spread {spread:g}: cosine of the tenth neighbour {cosines[:, -1].mean():.2f}")
    print(f"{'':<40}{'build s':>9}{'recall':>8}{'theory':>8}{'candidates':>12}{'ms/query':>10}")
    _show("exact (faiss Flat)", 0.0, 1.0, float("nan"), len(vectors), milliseconds)
    for name, settings in INDEXES:
        start = time.perf_counter()
        finder = _build(vectors, settings)
        built = time.perf_counter() - start
        found, milliseconds = _timed(DenseIndex(manifest, vectors, finder=finder), queries)
        shared = [len(wanted & {hit.doc_id for hit in hits}) for wanted, hits in zip(truth, found, strict=True)]
        candidates = float(np.mean([len(positions) for positions in finder.find(queries, K)]))
        theory = float("nan")
        if isinstance(finder, LshTables) and isinstance(settings, LshSettings):
            tables, width = finder.shape
            name += f": L={tables} k={width}" if settings.target_recall else ""
            if not settings.probes:
                theory = found_probability(agreement(cosines), tables=tables, hyperplanes=width).mean()
        _show(name, built, float(np.mean(shared)) / K, theory, candidates, milliseconds)


def _build(vectors: FloatArray, settings: IndexSettings) -> LshTables | FaissFinder:
    if isinstance(settings, LshSettings):
        return LshTables.build(vectors, settings)
    return FaissFinder.build(vectors, settings)


def _timed(index: DenseIndex, queries: FloatArray) -> tuple[list[tuple[Hit, ...]], float]:
    """Hits of each query, and milliseconds per query; a first small search is not counted."""
    list(index.search(queries[:10], K))
    start = time.perf_counter()
    found = list(index.search(queries, K))
    return found, 1000 * (time.perf_counter() - start) / len(queries)


def _show(name: str, built: float, recall: float, theory: float, candidates: float, milliseconds: float) -> None:
    said = "" if np.isnan(theory) else f"{theory:.3f}"
    print(f"{name:<40}{built:>9.1f}{recall:>8.3f}{said:>8}{candidates:>12,.0f}{milliseconds:>10.2f}", flush=True)


def _around(centres: FloatArray, count: int, spread: float, rng: np.random.Generator) -> FloatArray:
    """Unit vectors (count, d) around centres taken at random."""
    noise = rng.standard_normal((count, centres.shape[1]), dtype=np.float32)
    noise *= np.float32(spread / np.sqrt(centres.shape[1]))
    return _unit(centres[rng.integers(len(centres), size=count)] + noise)


def _unit(vectors: FloatArray) -> FloatArray:
    unit: FloatArray = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


if __name__ == "__main__":
    main()
