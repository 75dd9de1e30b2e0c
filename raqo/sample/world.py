"""Scenes of the sample world and its splits, deterministic by seed.

Most scenes come in families of near-twins that differ in exactly one thing (the *focus*): one object's kind, colour,
size or pattern, the relation, or the setting. No two scenes of a world look alike: they differ in what a caption says.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace

from raqo.sample.scene import COLOURS, KINDS, PATTERNS, RELATIONS, SETTINGS, SIZES, Scene, SceneObject

FAMILY_SIZE = 4
FAMILY_SHARE = 0.8
SPLIT_SIZES = {"retriever": 36_000, "train": 4_000, "val": 500, "test": 1_000}


@dataclass(frozen=True, slots=True)
class WorldScene:
    """A scene with the part and slot in which its near-twins differ (``a.colour``); None for a scene without twins."""

    scene: Scene
    focus: str | None


def split_scenes(seed: int = 0) -> dict[str, list[WorldScene]]:
    """All splits of a world; no scene occurs twice, in one split or across two."""
    rng = random.Random(f"world-{seed}")
    seen: set[Scene] = set()
    # the small splits come first, so that the size of the retriever's own pictures does not change them
    return {name: _scenes(SPLIT_SIZES[name], rng, seen) for name in ("test", "val", "train", "retriever")}


def _scenes(count: int, rng: random.Random, seen: set[Scene]) -> list[WorldScene]:
    found: list[WorldScene] = []
    while len(found) < count:
        size = FAMILY_SIZE if rng.random() < FAMILY_SHARE / (FAMILY_SIZE - (FAMILY_SIZE - 1) * FAMILY_SHARE) else 1
        family = list(_family(size, rng, seen))
        found.extend(family[: count - len(found)])
    return found


def _family(size: int, rng: random.Random, seen: set[Scene]) -> Iterator[WorldScene]:
    """One scene, or `size` scenes that differ pairwise in one focus."""
    while True:
        base = _random_scene(rng)
        focus = rng.choice(_foci(base)) if size > 1 else None
        members = [base] if focus is None else _variants(base, focus, size, rng)
        if seen.isdisjoint(members):
            break
    seen.update(members)
    for member in members:
        yield WorldScene(replace(member, seed=rng.randrange(1 << 30)), focus)


def _random_scene(rng: random.Random) -> Scene:
    kinds = rng.sample(KINDS, 3)
    colours = rng.sample(COLOURS, 3)
    things = [SceneObject(kind, colour) for kind, colour in zip(kinds, colours, strict=True)]
    things = [_modified(things[0], rng, 0.5), _modified(things[1], rng, 0.25), things[2]]
    return Scene(rng.choice(SETTINGS), rng.choice(RELATIONS), tuple(things[: 3 if rng.random() < 0.3 else 2]))


def _modified(thing: SceneObject, rng: random.Random, share: float) -> SceneObject:
    if rng.random() >= share:
        return thing
    if rng.random() < 0.5:
        return replace(thing, size=rng.choice(("small", "large")))
    return replace(thing, pattern=rng.choice(PATTERNS[1:]))


def _foci(scene: Scene) -> list[str]:
    foci = ["relation.relation", "setting.setting"]
    for part, thing in zip("abc", scene.objects, strict=False):
        foci += [f"{part}.kind", f"{part}.colour"]
        foci += [f"{part}.size"] if thing.size != "medium" else []
        foci += [f"{part}.pattern"] if thing.pattern != "plain" else []
    return foci


_VALUES = {"kind": KINDS, "colour": COLOURS, "size": SIZES, "pattern": PATTERNS}


def _variants(scene: Scene, focus: str, size: int, rng: random.Random) -> list[Scene]:
    part, slot = focus.split(".")
    if part == "relation":
        return [replace(scene, relation=value) for value in rng.sample(RELATIONS, size)]
    if part == "setting":
        return [replace(scene, setting=value) for value in rng.sample(SETTINGS, size)]
    index = "abc".index(part)
    taken = {getattr(thing, slot) for place, thing in enumerate(scene.objects) if place != index}
    values = [value for value in _VALUES[slot] if value not in taken or slot in ("size", "pattern")]
    members = []
    for value in rng.sample(values, min(size, len(values))):
        things = list(scene.objects)
        things[index] = replace(things[index], **{slot: value})
        members.append(replace(scene, objects=tuple(things)))
    return members
