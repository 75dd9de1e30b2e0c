"""The splits of the sample world as `RetrievalDataset`s, with pictures drawn once into a cache folder."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from raqo.errors import ConfigError, message, nearest
from raqo.records import Document, Query, RetrievalDataset
from raqo.sample.queries import SampleQuery, challenging_query, plain_query
from raqo.sample.scene import Scene
from raqo.sample.world import WorldScene, split_scenes

SPLITS = ("train", "val", "val-unseen", "test", "unseen")
HELD_OUT_WORDS = {"val-unseen": "val", "unseen": "test"}
"""Splits whose challenging words occur nowhere else, and whose pictures they ask for."""
PIXELS = 160
# Part of the cache folder's name: a new look of the world must not meet old pictures.
WORLD_VERSION = 1
# Users ask some queries in words the retriever knows: rewriting must leave those alone.
PLAIN_SHARE = 0.2
FOCUS_SHARE = 0.7


def sample_dataset(
    split: str,
    *,
    cache_dir: Path,
    seed: int = 0,
    limit: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> RetrievalDataset:
    """Draw (once) and load a split.

    Settings are picked on ``val`` and, for words that mining never met, ``val-unseen``, which has the held-out words of
    ``unseen`` in queries of its own.

    Args:
        split: one of `SPLITS`.
        cache_dir: where the pictures lie.
        seed: of the whole world.
        limit: keep only the first scenes; near-twins stay together but for the last family.
        progress: called with (pictures done, pictures in all).

    Raises:
        ConfigError: unknown split.
    """
    if split not in SPLITS:
        raise ConfigError(message(f"split {split!r}", f"unknown{nearest(split, SPLITS)}", f"use one of {SPLITS}"))
    pictures = HELD_OUT_WORDS.get(split, split)
    items = split_scenes(seed)[pictures][:limit]
    folder = cache_dir / f"sample-world-v{WORLD_VERSION}-seed{seed}" / pictures
    paths = _draw([item.scene for item in items], folder, progress)
    rng = random.Random(f"queries-{split}-{seed}")
    asked = [_query(item, rng, held_out=split in HELD_OUT_WORDS) for item in items]
    ids = [f"{pictures}-{index:05d}" for index in range(len(items))]
    query_ids = [f"{split}-q{index:05d}" for index in range(len(items))]
    return RetrievalDataset(
        name="sample",
        split=split,
        documents=tuple(Document(doc_id, image=path) for doc_id, path in zip(ids, paths, strict=True)),
        queries=tuple(Query(query_id, query.text) for query_id, query in zip(query_ids, asked, strict=True)),
        targets={query_id: (doc_id,) for query_id, doc_id in zip(query_ids, ids, strict=True)},
        reference={query_id: query.reference for query_id, query in zip(query_ids, asked, strict=True)},
    )


def _query(item: WorldScene, rng: random.Random, *, held_out: bool) -> SampleQuery:
    if rng.random() < PLAIN_SHARE:
        return plain_query(item.scene, rng)
    focus = item.focus if rng.random() < FOCUS_SHARE else None
    return challenging_query(item.scene, rng, held_out=held_out, focus=focus)


def _draw(scenes: list[Scene], folder: Path, progress: Callable[[int, int], None] | None) -> list[str]:
    """Draw what is not there yet, on all cores; a picture appears under its name only when it is whole."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [str(folder / f"{index:05d}.png") for index in range(len(scenes))]
    missing = [(scene, path) for scene, path in zip(scenes, paths, strict=True) if not os.path.exists(path)]
    if missing:
        with ProcessPoolExecutor() as pool:
            for done, _ in enumerate(pool.map(_draw_one, missing, chunksize=64), start=len(paths) - len(missing) + 1):
                if progress:
                    progress(done, len(paths))
    return paths


def _draw_one(job: tuple[Scene, str]) -> None:
    from raqo.sample.drawing import render

    scene, path = job
    unfinished = f"{path}.{os.getpid()}.tmp"
    render(scene, pixels=PIXELS).save(unfinished, format="PNG", compress_level=1)
    os.replace(unfinished, path)
