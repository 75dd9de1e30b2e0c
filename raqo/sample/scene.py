"""What a scene of the sample world can hold, as frozen records."""

from __future__ import annotations

from dataclasses import dataclass

KINDS = (
    "dog", "cat", "horse", "pig", "rabbit", "bird", "fish", "duck", "snake", "turtle", "car", "truck", "boat",
    "bicycle", "train", "plane", "rocket", "tree", "flower", "mushroom", "cactus", "house", "tent", "chair", "lamp",
    "clock", "umbrella", "hat", "cup", "book", "ball", "kite", "guitar", "drum", "bell", "ladder",
)  # fmt: skip
COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white")
SIZES = ("small", "medium", "large")
PATTERNS = ("plain", "striped", "spotted", "checked")
RELATIONS = ("next to", "on top of", "behind", "far from", "chasing", "leaning against")
SETTINGS = ("snow", "beach", "forest", "city", "desert", "night")


@dataclass(frozen=True, slots=True)
class SceneObject:
    """One thing in a scene."""

    kind: str
    colour: str
    size: str = "medium"
    pattern: str = "plain"


@dataclass(frozen=True, slots=True)
class Scene:
    """Two or three things in a setting; the first stands in `relation` to the second, a third stands apart.

    `seed` moves only what no caption says: exact places, mirroring, details of the background.
    """

    setting: str
    relation: str
    objects: tuple[SceneObject, ...]
    seed: int = 0
