"""Queries about scenes, in three registers: the retriever's captions, plain queries and challenging queries."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from raqo.sample.captions import FORMS, Mention, caption, mentions
from raqo.sample.scene import Scene

# How often the retriever's training captions use the common, the familiar and the rare wordings.
CAPTION_WEIGHTS = (0.80, 0.17, 0.03)
FAMILIAR_SHARE = 0.1
# How many challenging wordings a challenging query has, with weights.
CHALLENGES = ((2, 3, 4), (0.25, 0.45, 0.30))


@dataclass(frozen=True, slots=True)
class SampleQuery:
    """A query with its wording that suits the retriever.

    Attributes:
        reference: the same sentence in common words.
        challenging: the rare wordings in it; empty for a plain query.
    """

    text: str
    reference: str
    challenging: tuple[str, ...]


def retriever_caption(scene: Scene, rng: random.Random) -> str:
    """One training caption of the retriever: wordings follow a skewed frequency; some rare ones never occur."""
    said = mentions(scene)
    words = []
    for mention in said:
        pools = ((mention.concept.common,), (mention.concept.familiar,), mention.concept.captioned_rare)
        words.append(rng.choice(rng.choices(pools, CAPTION_WEIGHTS)[0]))
    return caption(said, words, rng.randrange(len(FORMS)))


def plain_query(scene: Scene, rng: random.Random) -> SampleQuery:
    """A query in words the retriever knows: mostly common, now and then familiar."""
    said = mentions(scene)
    return _query(said, _known_words(said, rng), (), rng)


def challenging_query(scene: Scene, rng: random.Random, *, held_out: bool, focus: str | None = None) -> SampleQuery:
    """A query in which two to four concepts are said in rare words.

    Args:
        scene: what the query describes.
        rng: the source of every choice.
        held_out: draw the rare words from those kept for the split ``unseen``, else from those mining may see.
        focus: part and slot, as ``a.colour``, made challenging first; usually what tells the scene from its twins.
    """
    said = mentions(scene)
    words = _known_words(said, rng)
    order = rng.sample(range(len(said)), len(said))
    order.sort(key=lambda index: f"{said[index].part}.{said[index].concept.slot}" != focus)
    chosen = sorted(order[: rng.choices(*CHALLENGES)[0]])
    for index in chosen:
        concept = said[index].concept
        words[index] = rng.choice(concept.held_out if held_out else concept.unknown)
    return _query(said, words, tuple(words[index] for index in chosen), rng)


def _known_words(said: Sequence[Mention], rng: random.Random) -> list[str]:
    return [m.concept.familiar if rng.random() < FAMILIAR_SHARE else m.concept.common for m in said]


def _query(
    said: Sequence[Mention], words: Sequence[str], challenging: tuple[str, ...], rng: random.Random
) -> SampleQuery:
    form = rng.randrange(len(FORMS))
    reference = caption(said, [mention.concept.common for mention in said], form)
    return SampleQuery(caption(said, words, form), reference, challenging)
