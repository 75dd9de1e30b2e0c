"""A dual encoder small enough to be taught in seconds, and what it learns: the colour of a picture."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from raqo.training.dual.rows import DualData, DualRow
from raqo.training.dual.settings import DualShape

SHAPE = DualShape(
    hidden=16, layers=1, heads=2, image_size=16, patch_size=8, vocabulary=120, question_length=12, passage_length=16
)
COLOURS = {"red": (220, 20, 20), "green": (20, 200, 20), "blue": (20, 20, 220), "white": (240, 240, 240)}
TEXTS = {f"p-{colour}": f"all about {colour} things" for colour in COLOURS}
QUESTION = "what is this?"


def write_pictures(folder: Path) -> dict[str, str]:
    folder.mkdir(parents=True, exist_ok=True)
    paths = {colour: str(folder / f"{colour}.png") for colour in COLOURS}
    for colour, rgb in COLOURS.items():
        Image.new("RGB", (20, 16), rgb).save(paths[colour])
    return paths


def colour_rows(pictures: dict[str, str]) -> DualData:
    """The same question about every picture: nothing but the picture tells the passages apart."""
    rows = [DualRow(QUESTION, path, f"p-{colour}", frozenset((f"p-{colour}",))) for colour, path in pictures.items()]
    return DualData(tuple(rows * 4), TEXTS)
