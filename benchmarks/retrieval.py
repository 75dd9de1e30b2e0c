"""Throughput of the batched retrievers against a plain loop, one text, picture or query per call, in the same run.

    python benchmarks/retrieval.py --texts 2000 --images 1000

The loop calls the libraries directly (open_clip, numpy, bm25s), as one would without raqo; both sides run distinct
texts, so the text cache plays no part. Shared machines are noisy: each side has its best of three runs; read the
ratio, not the rates.
"""

from __future__ import annotations

import argparse
import logging
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from raqo.records import Document, Query
from raqo.retrievers.bm25.retriever import Bm25Retriever
from raqo.retrievers.settings import RetrieverSettings
from raqo.sample.weights import CLIP_DIR
from raqo.testing import write_tiny_clip

RUNS = 3
"""Runs of each side, of which the best counts."""

WORDS = (
    *(
        "red",
        "blue",
        "green",
        "boat",
        "dog",
        "tree",
        "car",
        "child",
        "sea",
        "snow",
        "hill",
        "night",
        "small",
        "striped",
    ),
    *("under", "beside", "above", "holds", "chases"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, help="open_clip folder (default: the sample's, else a random tiny one)")
    parser.add_argument("--texts", type=int, default=1000)
    parser.add_argument("--images", type=int, default=500)
    parser.add_argument("--loop", type=int, default=150, help="calls of the plain loop; its rate is extrapolated")
    parser.add_argument("--k", type=int, default=10)
    args = parser.parse_args()
    logging.getLogger().setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        model = args.model or (
            CLIP_DIR if (CLIP_DIR / "open_clip_config.json").exists() else write_tiny_clip(folder / "m")
        )
        texts, pictures = _texts(args.texts), _pictures(folder, args.images)
        rows = [*_clip(model, texts, pictures, folder, args.loop, args.k), *_bm25(texts, folder, args.loop, args.k)]
    print(f"model {model.name}, {args.texts} texts, {args.images} pictures, k={args.k}")
    print(f"{'':<34}{'loop /s':>12}{'batched /s':>12}{'ratio':>8}")
    for name, loop, batched in rows:
        print(f"{name:<34}{loop:>12,.0f}{batched:>12,.0f}{batched / loop:>8.1f}")


def _clip(
    model: Path, texts: list[str], pictures: list[str], folder: Path, calls: int, k: int
) -> list[tuple[str, float, float]]:
    import torch

    from raqo.retrievers.clip.encoder import ClipEncoder
    from raqo.retrievers.clip.loading import load_clip
    from raqo.retrievers.clip.retriever import ClipRetriever
    from raqo.retrievers.images import open_image

    plain, encoder = load_clip(str(model), "cpu"), ClipEncoder.load(str(model), device="cpu", vector_cache=0)
    documents = [Document(f"{row:06}", image=path) for row, path in enumerate(pictures)]
    retriever = ClipRetriever.build(encoder, documents, index_dir=folder / "index")
    gallery = encoder.encode_images(pictures)

    def one_text(text: str) -> np.ndarray:
        with torch.inference_mode():
            return plain.model.encode_text(plain.tokenizer([text]), normalize=True).numpy()[0]

    def one_picture(path: str) -> np.ndarray:
        with torch.inference_mode():
            return plain.model.encode_image(plain.transform(open_image(path))[None], normalize=True).numpy()[0]

    def one_search(text: str) -> np.ndarray:
        return np.argsort(-(gallery @ one_text(text)), kind="stable")[:k]

    queries = [Query(str(row), text) for row, text in enumerate(texts)]
    return [
        ("encode texts", _loop(one_text, texts, calls), _rate(lambda: encoder.encode_texts(texts), len(texts))),
        (
            "encode pictures",
            _loop(one_picture, pictures, calls),
            _rate(lambda: encoder.encode_images(pictures), len(pictures)),
        ),
        (
            "clip search, text to picture",
            _loop(one_search, texts, calls),
            _rate(lambda: retriever.search(queries, k=k), len(texts)),
        ),
    ]


def _bm25(texts: list[str], folder: Path, calls: int, k: int) -> list[tuple[str, float, float]]:
    import bm25s

    from raqo.retrievers.bm25.engines import RankBm25
    from raqo.retrievers.words import words

    documents = [Document(f"{row:06}", text=text) for row, text in enumerate(texts)]
    retriever = Bm25Retriever.build(RetrieverSettings(kind="bm25"), documents, index_dir=folder / "index")
    corpus = [words(text) for text in texts]
    okapi, plain = RankBm25(corpus, k1=0.9, b=0.4), bm25s.BM25(method="lucene", k1=0.9, b=0.4)
    plain.index(corpus, show_progress=False)
    queries = [Query(str(row), text) for row, text in enumerate(texts)]
    retriever.search(queries[:1], k=k)  # compiles, once per machine
    batched = _rate(lambda: retriever.search(queries, k=k), len(queries))

    def one_bm25s(text: str) -> object:
        return plain.retrieve([words(text)], k=k, show_progress=False)

    def one_okapi(text: str) -> object:
        found = tuple(words(text))
        return okapi.best([(found, (1.0,) * len(found))], k)

    return [
        ("bm25 search, against bm25s", _loop(one_bm25s, texts, calls), batched),
        ("bm25 search, against rank_bm25", _loop(one_okapi, texts, calls), batched),
        ("bm25 search, against itself", _loop(lambda query: retriever.search([query], k=k), queries, calls), batched),
    ]


def _loop(call: Callable[[Any], object], items: Sequence[Any], calls: int) -> float:
    few = items[:calls]
    return _rate(lambda: [call(item) for item in few], len(few))


def _rate(call: Callable[[], object], count: int) -> float:
    seconds = []
    for _ in range(RUNS):
        started = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - started)
    return count / min(seconds)


def _texts(count: int) -> list[str]:
    rng = random.Random(0)
    return [f"a {' '.join(rng.choices(WORDS, k=rng.randint(4, 10)))} {number}" for number in range(count)]


def _pictures(folder: Path, count: int) -> list[str]:
    from PIL import Image

    rng, paths = np.random.default_rng(0), [str(folder / f"{number}.png") for number in range(count)]
    for path in paths:
        Image.fromarray(rng.integers(0, 255, (64, 64, 3), dtype=np.uint8)).save(path)
    return paths


if __name__ == "__main__":
    main()
