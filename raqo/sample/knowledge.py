"""The knowledge task of the sample world: questions about its pictures, answered in its passages."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

from raqo.errors import ConfigError, message, nearest
from raqo.records import Document, KnowledgeDataset, Query, Question
from raqo.sample.dataset import sample_dataset
from raqo.sample.knowledge_facts import Fact
from raqo.sample.knowledge_text import passages
from raqo.sample.questions import SceneQuestion, ask
from raqo.sample.scene import Scene
from raqo.sample.world import split_scenes

QUESTIONS = {"train": 900, "val": 150, "test": 450}


def knowledge_dataset(
    split: str,
    *,
    cache_dir: Path,
    seed: int = 0,
    limit: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> KnowledgeDataset:
    """The questions of a split over the pictures of `sample_dataset`, and the passages all splits share.

    Question i is about picture i of the same split, so no scene is asked about in two splits. Ambiguous by text alone;
    the answers, ten in all, stand in about four passages each, which are the question's targets.

    Args:
        split: one of `QUESTIONS`.
        cache_dir: where the pictures lie; those not there yet are drawn.
        seed: of the whole world.
        limit: keep only the first questions; the corpus stays whole.
        progress: called with (pictures done, pictures in all).

    Raises:
        ConfigError: unknown split.
    """
    if split not in QUESTIONS:
        allowed = tuple(QUESTIONS)
        raise ConfigError(message(f"split {split!r}", f"unknown{nearest(split, allowed)}", f"use one of {allowed}"))
    count = QUESTIONS[split] if limit is None else min(limit, QUESTIONS[split])
    scenes = [item.scene for item in split_scenes(seed)[split][:count]]
    pictures = sample_dataset(split, cache_dir=cache_dir, seed=seed, limit=count, progress=progress).documents
    asked = questions_about(scenes, split, seed)
    documents, telling = _corpus(seed)
    return KnowledgeDataset(
        name="sample-knowledge",
        split=split,
        documents=documents,
        questions=tuple(
            _record(one, Query(f"{split}-k{index:05d}", one.text, picture.image), telling[one.fact])
            for index, (one, picture) in enumerate(zip(asked, pictures, strict=True))
        ),
    )


def questions_about(scenes: list[Scene], split: str, seed: int = 0) -> list[SceneQuestion]:
    """One question per scene; the first ones do not depend on how many follow."""
    rng = random.Random(f"knowledge-questions-{split}-{seed}")
    return [ask(scene, rng) for scene in scenes]


def _corpus(seed: int) -> tuple[tuple[Document, ...], dict[Fact, tuple[str, ...]]]:
    """The passages, and for each fact the ids of those that tell it."""
    documents: list[Document] = []
    telling: dict[Fact, tuple[str, ...]] = {}
    for index, passage in enumerate(passages(seed)):
        documents.append(Document(f"passage-{index:05d}", text=passage.text))
        if passage.fact is not None:
            telling[passage.fact] = (*telling.get(passage.fact, ()), documents[-1].doc_id)
    return tuple(documents), telling


def _record(asked: SceneQuestion, query: Query, targets: tuple[str, ...]) -> Question:
    return Question(query, asked.answers, targets=targets, caption=asked.caption, reference=asked.reference)
