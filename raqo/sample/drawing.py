"""Draws a scene: where its objects stand, in which order they are painted, and their shadows.

Positions are pixels in a picture whose first object stands on the left; a mirrored scene is flipped as a whole in the
end.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from raqo.errors import DataError
from raqo.sample.backgrounds import VARIANTS, background
from raqo.sample.scene import COLOURS, KINDS, PATTERNS, RELATIONS, SETTINGS, SIZES, Scene, SceneObject
from raqo.sample.sprites import motion, shadow, sprite

MEDIUM = 0.34
SCALES = {"small": 0.6, "medium": 1.0, "large": 1.4}
GROUND = 0.90
FRONT = 0.965
EDGE = 0.02
CROWDED = 0.84
LEAN = -23
TILT = -8
SHRINKING = (1.0, 0.94, 0.88, 0.82, 0.76, 0.70, 0.64, 0.58, 0.50, 0.42, 0.34)


@dataclass(frozen=True, slots=True)
class _Item:
    """A sprite and the place of its upper left corner."""

    image: Image.Image
    x: int = 0
    y: int = 0
    grounded: bool = True

    @property
    def right(self) -> int:
        return self.x + self.image.width

    @property
    def bottom(self) -> int:
        return self.y + self.image.height

    def moved(self, dx: int, dy: int) -> _Item:
        return replace(self, x=self.x + dx, y=self.y + dy)


def render(scene: Scene, *, pixels: int = 160) -> Image.Image:
    """Draw `scene` as a square RGB picture; the same scene gives the same bytes."""
    check(scene)
    rng = random.Random(scene.seed)
    mirrored, variant = rng.random() < 0.5, rng.randrange(VARIANTS)
    picture = background(scene.setting, variant, pixels).copy()
    items = _arranged(scene, pixels, rng)
    dark = (26, 26, 44)
    for item in items:
        if item.grounded:
            shape = shadow(round(item.image.width * 0.92))
            left = item.x + (item.image.width - shape.width) // 2
            picture.paste(dark, (left, item.bottom - round(shape.height * 0.6)), shape)
    for item in items:
        picture.paste(item.image, (item.x, item.y), item.image)
    return picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if mirrored else picture


def check(scene: Scene) -> None:
    """Raise a `ValueError` that names the allowed values if the scene cannot be drawn."""
    if len(scene.objects) not in (2, 3):
        raise DataError(f"A scene holds 2 or 3 objects, not {len(scene.objects)}.")
    chosen: list[tuple[str, str, tuple[str, ...]]]
    chosen = [("setting", scene.setting, SETTINGS), ("relation", scene.relation, RELATIONS)]
    for thing in scene.objects:
        chosen += [("kind", thing.kind, KINDS), ("colour", thing.colour, COLOURS)]
        chosen += [("size", thing.size, SIZES), ("pattern", thing.pattern, PATTERNS)]
    for slot, value, allowed in chosen:
        if value not in allowed:
            raise DataError(f"Unknown {slot} {value!r}; allowed are {', '.join(allowed)}.")


def _arranged(scene: Scene, pixels: int, rng: random.Random) -> list[_Item]:
    """The scene's items in painting order, as large as they fit."""
    zoom = rng.choice((0.97, 1.0, 1.03)) * (CROWDED if len(scene.objects) == 3 else 1.0)
    state = rng.getstate()
    for shrink in SHRINKING:
        rng.setstate(state)
        items = _attempt(scene, pixels, zoom * shrink, rng)
        if items is not None:
            return items
    raise DataError(f"A picture of {pixels} pixels is too small for this scene; use a larger one.")


def _attempt(scene: Scene, pixels: int, zoom: float, rng: random.Random) -> list[_Item] | None:
    """The placed items, or None where they do not fit at this zoom."""
    arranged = _PLACERS[scene.relation](scene.objects[0], scene.objects[1], pixels, zoom, rng)
    if arranged is None:
        return None
    pair = _floored(arranged)
    edge = round(EDGE * pixels)
    left, right, top = min(i.x for i in pair), max(i.right for i in pair), min(i.y for i in pair)
    slack = pixels - 2 * edge - (right - left)
    if slack < 0:
        return None
    sway = 0.5 + rng.uniform(-0.3, 0.3)
    ground = round((GROUND + rng.uniform(-0.02, 0.02)) * pixels)
    if len(scene.objects) == 2:
        return _within([i.moved(edge - left + round(slack * sway), ground) for i in pair], pixels, edge)
    third = _Item(_sprite(scene.objects[2], pixels, zoom, flipped=rng.random() < 0.5), edge)
    third = third.moved(round(rng.uniform(0, 0.05) * pixels), round(FRONT * pixels) - third.image.height)
    beside = third.right + round(0.10 * pixels)
    if beside + (right - left) <= pixels - edge and scene.relation != "far from":
        spare = pixels - edge - beside - (right - left)
        moved = [
            i.moved(beside - left + round(spare * (0.6 + 0.4 * sway)), ground - round(0.09 * pixels)) for i in pair
        ]
        return _within([*moved, third], pixels, edge)
    level = min(ground, third.y - round(0.01 * pixels))
    if level + top < edge:
        return None
    place = rng.choice((0.06, 0.94)) if scene.relation != "far from" else rng.uniform(0.4, 0.6)
    third = replace(third, x=edge + round((pixels - 2 * edge - third.image.width) * place))
    return _within([*(i.moved(edge - left + round(slack * sway), level) for i in pair), third], pixels, edge)


def _floored(items: list[_Item]) -> list[_Item]:
    """The items moved so that the lowest of them ends at height 0."""
    floor = max(i.bottom for i in items)
    return [i.moved(0, -floor) for i in items]


def _within(items: list[_Item], pixels: int, edge: int) -> list[_Item] | None:
    """The items lowered as far as they reach over the upper edge, or None if they are too high for the picture."""
    lower = max(edge - min(i.y for i in items), 0)
    if any(i.bottom + lower > pixels - edge for i in items):
        return None
    return [i.moved(0, lower) for i in items]


def _sprite(thing: SceneObject, pixels: int, zoom: float, angle: int = 0, *, flipped: bool = False) -> Image.Image:
    size = max(round(pixels * MEDIUM * SCALES[thing.size] * zoom), 6)
    image = sprite(thing.kind, thing.colour, thing.pattern, size, angle)
    return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if flipped else image


def _solid(image: Image.Image) -> NDArray[np.bool_]:
    return np.asarray(image.getchannel("A")) > 100


_Placer = Callable[[SceneObject, SceneObject, int, float, random.Random], list[_Item] | None]


def _next_to(a: SceneObject, b: SceneObject, pixels: int, zoom: float, rng: random.Random) -> list[_Item]:
    first = _Item(_sprite(a, pixels, zoom))
    second = _Item(_sprite(b, pixels, zoom, flipped=rng.random() < 0.5))
    gap = round(rng.uniform(0.02, 0.035) * pixels)
    return [first.moved(0, -first.bottom), second.moved(first.right + gap, -second.bottom)]


def _on_top_of(a: SceneObject, b: SceneObject, pixels: int, zoom: float, rng: random.Random) -> list[_Item]:
    flipped = rng.random() < 0.5
    upper, lower = _sprite(a, pixels, zoom, flipped=flipped), _sprite(b, pixels, zoom, flipped=rng.random() < 0.5)
    left = (lower.width - upper.width) // 2 + round(rng.uniform(-0.05, 0.05) * lower.width)
    middle = left + upper.width // 2
    reach = max(upper.width // 5, 2)
    columns = _solid(lower)[:, max(middle - reach, 0) : middle + reach]
    rows = np.flatnonzero(columns.any(axis=1))
    rest = int(rows[0]) if rows.size else 0
    sunk = rest + max(round(0.015 * pixels), 1)
    return [_Item(lower), _Item(upper, left, sunk - upper.height, grounded=False)]


def _behind(a: SceneObject, b: SceneObject, pixels: int, zoom: float, rng: random.Random) -> list[_Item]:
    back, front = _sprite(a, pixels, zoom), _sprite(b, pixels, zoom, flipped=rng.random() < 0.5)
    raised = round(0.075 * pixels)
    wanted = rng.uniform(0.34, 0.40)
    solid, cover = _solid(back), _solid(front)
    height = min(front.height - raised, back.height)
    share, overlap = 0.0, round(0.3 * back.width)
    while height > 0 and share < wanted and overlap < min(0.6 * back.width, front.width):
        overlap += 2
        width = min(overlap, front.width)
        start = back.width - overlap
        hidden = solid[back.height - height :, start : start + width]
        over = cover[front.height - raised - height : front.height - raised, :width]
        share = float((hidden & over).sum()) / float(solid.sum())
    behind = _Item(back, 0, -raised - back.height)
    return [behind, _Item(front, back.width - overlap, -front.height)]


def _far_from(a: SceneObject, b: SceneObject, pixels: int, zoom: float, rng: random.Random) -> list[_Item] | None:
    flipped = rng.random() < 0.5
    first = _Item(_sprite(a, pixels, zoom, flipped=flipped))
    second = _Item(_sprite(b, pixels, zoom, flipped=not flipped))
    span = pixels - 2 * round(EDGE * pixels) - round(rng.uniform(0, 0.03) * pixels)
    if span - first.image.width - second.image.width < 0.22 * pixels:
        return None
    return [first.moved(0, -first.bottom), second.moved(span - second.image.width, -second.bottom)]


def _chasing(a: SceneObject, b: SceneObject, pixels: int, zoom: float, rng: random.Random) -> list[_Item]:
    first, second = _sprite(a, pixels, zoom, TILT), _sprite(b, pixels, zoom, TILT)
    lines = motion(max(round(0.13 * pixels * min(zoom, 1.0)), 4), max(first.height, round(0.18 * pixels)))
    gap = round(rng.uniform(0.09, 0.11) * pixels)
    start = lines.width + max(round(0.005 * pixels), 1)
    ahead = start + first.width + gap
    trail = _Item(lines, 0, -lines.height, grounded=False)
    return [trail, _Item(first, start, -first.height), _Item(second, ahead, -second.height)]


def _leaning_against(a: SceneObject, b: SceneObject, pixels: int, zoom: float, rng: random.Random) -> list[_Item]:
    upright, post = _sprite(a, pixels, zoom), _sprite(b, pixels, zoom, flipped=rng.random() < 0.5)
    # what is high drops its top against the other; what is long rests its front end on it
    leaning = _sprite(a, pixels, zoom, LEAN if upright.width < 1.2 * upright.height else -LEAN)
    rows = min(leaning.height, post.height)
    one, other = _solid(leaning)[leaning.height - rows :], _solid(post)[post.height - rows :]
    shared = one.any(axis=1) & other.any(axis=1)
    # from the left edge of each sprite: how far the leaning one reaches, and where the other begins, row by row
    reach = (one.shape[1] - one[:, ::-1].argmax(axis=1))[shared]
    begin = other.argmax(axis=1)[shared]
    contact = int((reach - begin).max()) if shared.any() else leaning.width
    left = contact - max(round(0.015 * pixels), 1)
    return [_Item(post, left, -post.height), _Item(leaning, 0, -leaning.height)]


_PLACERS: dict[str, _Placer] = {
    "next to": _next_to, "on top of": _on_top_of, "behind": _behind, "far from": _far_from, "chasing": _chasing,
    "leaning against": _leaning_against,
}  # fmt: skip
