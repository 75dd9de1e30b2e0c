"""The art of every object kind, one small function each, and the table of them all."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

from raqo.sample import animals
from raqo.sample.pen import (
    CREAM,
    DARK,
    GLASS,
    GREY,
    INK,
    SAGE,
    STRAW,
    TAUPE,
    Pen,
    bend,
    blob,
    box,
    dome,
    ellipse,
    polygon,
    tube,
)

Art = Callable[[Pen], None]


def _wheels(p: Pen, radius: float, y: float, *xs: float) -> None:
    for x in xs:
        p.accent(DARK, ellipse(x, y, radius))
        p.accent(GREY, ellipse(x, y, radius * 0.4))


def _car(p: Pen) -> None:
    p.body(
        blob((0.02, 0.66), (0.06, 0.50), (0.22, 0.46), (0.80, 0.46),
             (0.96, 0.54), (0.98, 0.72), (0.88, 0.77), (0.12, 0.77)),
        polygon((0.16, 0.50), (0.30, 0.24), (0.64, 0.24), (0.80, 0.50)),
    )  # fmt: skip
    p.accent(GLASS, polygon((0.26, 0.46), (0.34, 0.30), (0.45, 0.30), (0.45, 0.46)))
    p.accent(GLASS, polygon((0.52, 0.46), (0.52, 0.30), (0.61, 0.30), (0.70, 0.46)))
    p.accent(CREAM, ellipse(0.93, 0.59, 0.035))
    _wheels(p, 0.125, 0.78, 0.25, 0.75)


def _truck(p: Pen) -> None:
    p.accent(DARK, box(0.06, 0.70, 0.95, 0.78))
    p.body(box(0.02, 0.14, 0.62, 0.72, 0.03))
    p.body(polygon((0.66, 0.36), (0.84, 0.36), (0.97, 0.54), (0.97, 0.74), (0.66, 0.74)))
    p.accent(GLASS, polygon((0.73, 0.42), (0.81, 0.42), (0.89, 0.54), (0.73, 0.54)))
    _wheels(p, 0.10, 0.82, 0.16, 0.40, 0.80)


def _boat(p: Pen) -> None:
    p.accent(TAUPE, tube(0.025, (0.47, 0.04), (0.47, 0.68)))
    p.body(polygon((0.52, 0.06), (0.52, 0.58), (0.92, 0.58)))
    p.accent(CREAM, polygon((0.42, 0.16), (0.42, 0.58), (0.12, 0.58)))
    p.body(polygon((0.02, 0.66), (0.98, 0.66), (0.82, 0.94), (0.18, 0.94)))
    p.line((0.10, 0.74), (0.90, 0.74))


def _bicycle(p: Pen) -> None:
    for x in (0.215, 0.785):
        p.body(ellipse(x, 0.73, 0.215))
        p.hole(ellipse(x, 0.73, 0.12))
    p.body(
        tube(0.055, (0.215, 0.73), (0.38, 0.42), (0.70, 0.42), (0.48, 0.73), (0.215, 0.73)),
        tube(0.055, (0.48, 0.73), (0.36, 0.34)), tube(0.055, (0.785, 0.73), (0.67, 0.28)),
    )  # fmt: skip
    p.accent(DARK, tube(0.06, (0.28, 0.31), (0.44, 0.31)), tube(0.05, (0.62, 0.25), (0.76, 0.25), (0.80, 0.31)))
    p.accent(GREY, ellipse(0.48, 0.73, 0.05))


def _train(p: Pen) -> None:
    p.accent(GREY, ellipse(0.64, 0.07, 0.06), ellipse(0.52, 0.05, 0.05))
    p.accent(DARK, polygon((0.90, 0.68), (1.0, 0.94), (0.86, 0.94)), box(0.05, 0.68, 0.94, 0.78))
    p.body(
        box(0.32, 0.40, 0.92, 0.70, 0.06), box(0.06, 0.24, 0.38, 0.70, 0.02), ellipse(0.54, 0.40, 0.07, 0.08),
        polygon((0.70, 0.44), (0.73, 0.30), (0.68, 0.18), (0.88, 0.18), (0.83, 0.30), (0.86, 0.44)),
    )  # fmt: skip
    p.accent(DARK, box(0.02, 0.16, 0.42, 0.23))
    p.accent(GLASS, box(0.13, 0.30, 0.31, 0.46))
    p.accent(CREAM, ellipse(0.89, 0.50, 0.035))
    _wheels(p, 0.115, 0.845, 0.20, 0.46, 0.72)


def _plane(p: Pen) -> None:
    p.shade(polygon((0.48, 0.44), (0.62, 0.44), (0.50, 0.16), (0.40, 0.16)))
    p.body(
        blob((0.04, 0.42), (0.30, 0.40), (0.74, 0.40), (0.92, 0.46),
             (0.99, 0.55), (0.90, 0.62), (0.60, 0.65), (0.24, 0.60)),
        polygon((0.03, 0.46), (0.0, 0.14), (0.13, 0.14), (0.28, 0.42)),
    )  # fmt: skip
    p.body(polygon((0.42, 0.56), (0.64, 0.56), (0.34, 0.90), (0.20, 0.90)))
    for x in (0.30, 0.42, 0.54, 0.66):
        p.accent(GLASS, ellipse(x, 0.48, 0.022))
    p.accent(GLASS, polygon((0.78, 0.45), (0.88, 0.46), (0.93, 0.51), (0.80, 0.52)))


def _rocket(p: Pen) -> None:
    p.accent(STRAW, polygon((0.40, 0.80), (0.60, 0.80), (0.56, 0.90), (0.50, 1.0), (0.44, 0.90)))
    p.shade(
        polygon((0.34, 0.50), (0.14, 0.72), (0.14, 0.92), (0.36, 0.78)),
        polygon((0.66, 0.50), (0.86, 0.72), (0.86, 0.92), (0.64, 0.78)),
    )
    p.body(
        blob(
            (0.50, 0.0),
            (0.64, 0.18),
            (0.70, 0.46),
            (0.64, 0.80),
            (0.50, 0.82),
            (0.36, 0.80),
            (0.30, 0.46),
            (0.36, 0.18),
        )
    )
    p.accent(GLASS, ellipse(0.50, 0.36, 0.09))


def _tree(p: Pen) -> None:
    p.accent(TAUPE, polygon((0.43, 0.58), (0.57, 0.58), (0.61, 0.97), (0.39, 0.97)))
    p.body(
        ellipse(0.50, 0.26, 0.27, 0.25), ellipse(0.25, 0.44, 0.22, 0.20),
        ellipse(0.75, 0.44, 0.22, 0.20), ellipse(0.50, 0.50, 0.25, 0.20),
    )  # fmt: skip


def _flower(p: Pen) -> None:
    p.accent(
        SAGE, tube(0.05, (0.50, 0.50), (0.50, 0.96)), blob((0.50, 0.92), (0.60, 0.78), (0.78, 0.74), (0.70, 0.90)),
        blob((0.50, 0.92), (0.40, 0.78), (0.22, 0.74), (0.30, 0.90)),
    )  # fmt: skip
    turns = [math.tau * i / 6 + math.pi / 6 for i in range(6)]
    p.body(*(ellipse(0.50 + 0.22 * math.cos(t), 0.35 + 0.22 * math.sin(t), 0.145) for t in turns))
    p.accent(CREAM, ellipse(0.50, 0.35, 0.105))


def _mushroom(p: Pen) -> None:
    p.accent(
        CREAM, blob((0.38, 0.50), (0.62, 0.50), (0.64, 0.76), (0.70, 0.92), (0.50, 0.97), (0.30, 0.92), (0.36, 0.76))
    )
    p.body(
        blob(
            (0.02, 0.52),
            (0.10, 0.26),
            (0.32, 0.08),
            (0.68, 0.08),
            (0.90, 0.26),
            (0.98, 0.52),
            (0.80, 0.60),
            (0.20, 0.60),
        )
    )


def _cactus(p: Pen) -> None:
    p.body(
        box(0.36, 0.04, 0.64, 0.97, 0.14), tube(0.17, (0.45, 0.64), (0.14, 0.64), (0.14, 0.38)),
        tube(0.17, (0.55, 0.52), (0.86, 0.52), (0.86, 0.22)),
    )  # fmt: skip
    p.line((0.50, 0.16), (0.50, 0.36))
    p.line((0.50, 0.56), (0.50, 0.84))


def _house(p: Pen) -> None:
    p.accent(GREY, box(0.70, 0.12, 0.82, 0.40))
    p.body(box(0.13, 0.44, 0.87, 0.97, 0.01))
    p.body(polygon((0.02, 0.50), (0.50, 0.06), (0.98, 0.50)))
    p.accent(DARK, box(0.42, 0.66, 0.58, 0.97))
    p.accent(GLASS, box(0.20, 0.60, 0.33, 0.75), box(0.67, 0.60, 0.80, 0.75))


def _tent(p: Pen) -> None:
    p.accent(TAUPE, tube(0.025, (0.56, 0.08), (0.50, 0.20)), tube(0.025, (0.44, 0.08), (0.50, 0.20)))
    p.body(polygon((0.50, 0.16), (1.0, 0.95), (0.0, 0.95)))
    p.accent(DARK, polygon((0.50, 0.46), (0.66, 0.95), (0.34, 0.95)))
    p.accent(CREAM, polygon((0.50, 0.46), (0.34, 0.95), (0.26, 0.95)))


def _chair(p: Pen) -> None:
    p.shade(tube(0.075, (0.28, 0.60), (0.28, 0.84)), tube(0.075, (0.70, 0.60), (0.70, 0.84)))
    p.body(
        box(0.20, 0.03, 0.78, 0.36, 0.05), tube(0.085, (0.26, 0.30), (0.26, 0.56)),
        tube(0.085, (0.72, 0.30), (0.72, 0.56)),
        tube(0.09, (0.12, 0.68), (0.11, 0.93)), tube(0.09, (0.86, 0.68), (0.87, 0.93)),
    )  # fmt: skip
    p.body(polygon((0.20, 0.51), (0.78, 0.51), (0.93, 0.69), (0.05, 0.69)))


def _lamp(p: Pen) -> None:
    p.accent(DARK, tube(0.05, (0.50, 0.50), (0.50, 0.88)))
    p.accent(GREY, dome(0.50, 0.96, 0.26, 0.12))
    p.accent(CREAM, ellipse(0.50, 0.54, 0.08, 0.08))
    p.body(polygon((0.32, 0.04), (0.68, 0.04), (0.94, 0.54), (0.06, 0.54)))


def _clock(p: Pen) -> None:
    p.accent(DARK, tube(0.08, (0.28, 0.84), (0.20, 0.94)), tube(0.08, (0.72, 0.84), (0.80, 0.94)))
    p.accent(DARK, bend(0.04, (0.30, 0.10), (0.50, 0.0), (0.70, 0.10)))
    p.shade(ellipse(0.26, 0.19, 0.14, 0.10), ellipse(0.74, 0.19, 0.14, 0.10))
    p.body(ellipse(0.50, 0.54, 0.40))
    p.accent(CREAM, ellipse(0.50, 0.54, 0.255))
    p.line((0.50, 0.36), (0.50, 0.54), width=0.045, colour=INK)
    p.line((0.50, 0.54), (0.62, 0.60), width=0.045, colour=INK)


def _umbrella(p: Pen) -> None:
    p.accent(TAUPE, bend(0.05, (0.50, 0.44), (0.50, 0.86), (0.58, 0.95), (0.68, 0.92), (0.69, 0.84)))
    p.accent(TAUPE, tube(0.03, (0.50, 0.0), (0.50, 0.10)))
    rim = [(0.98 - 0.96 * i / 24, 0.54 - 0.08 * abs(math.sin(math.pi * i / 8))) for i in range(25)]
    top = [(0.50 - 0.48 * math.cos(t), 0.54 - 0.48 * math.sin(t)) for t in (math.pi * i / 20 for i in range(21))]
    p.body(polygon(*top, *rim))
    p.line((0.50, 0.07), (0.38, 0.24), (0.34, 0.53))
    p.line((0.50, 0.07), (0.62, 0.24), (0.66, 0.53))


def _hat(p: Pen) -> None:
    p.body(
        ellipse(0.50, 0.84, 0.49, 0.11),
        blob((0.24, 0.16), (0.50, 0.11), (0.76, 0.16), (0.74, 0.50),
             (0.76, 0.84), (0.50, 0.89), (0.24, 0.84), (0.26, 0.50)),
    )  # fmt: skip
    p.accent(GREY, polygon((0.255, 0.64), (0.745, 0.64), (0.75, 0.77), (0.25, 0.77)))


def _cup(p: Pen) -> None:
    p.line((0.32, 0.22), (0.27, 0.15), (0.35, 0.10), (0.31, 0.02), width=0.04, colour=GREY)
    p.line((0.52, 0.22), (0.47, 0.15), (0.55, 0.10), (0.51, 0.02), width=0.04, colour=GREY)
    p.body(bend(0.09, (0.66, 0.46), (0.88, 0.44), (0.93, 0.60), (0.84, 0.76), (0.64, 0.78)))
    p.body(box(0.10, 0.32, 0.74, 0.95, 0.10))
    p.accent(DARK, ellipse(0.42, 0.33, 0.30, 0.055))


def _book(p: Pen) -> None:
    p.body(box(0.12, 0.06, 0.90, 0.97, 0.04))
    p.accent(CREAM, box(0.22, 0.83, 0.93, 0.92, 0.01))
    p.body(box(0.12, 0.04, 0.88, 0.83, 0.03))
    p.shade(box(0.12, 0.04, 0.25, 0.97, 0.04))
    p.accent(CREAM, box(0.38, 0.18, 0.76, 0.34, 0.01))


def _ball(p: Pen) -> None:
    p.body(ellipse(0.50, 0.52, 0.45))
    p.line((0.50, 0.08), (0.32, 0.28), (0.32, 0.74), (0.50, 0.96), width=0.03)
    p.line((0.50, 0.08), (0.68, 0.28), (0.68, 0.74), (0.50, 0.96), width=0.03)
    p.accent(CREAM, ellipse(0.50, 0.12, 0.09, 0.05))


def _kite(p: Pen) -> None:
    p.line((0.50, 0.70), (0.60, 0.80), (0.40, 0.86), (0.52, 0.97), width=0.03, colour=DARK)
    p.accent(CREAM, polygon((0.55, 0.80), (0.68, 0.72), (0.70, 0.86)))
    p.accent(CREAM, polygon((0.44, 0.86), (0.30, 0.80), (0.30, 0.94)))
    p.body(polygon((0.50, 0.0), (0.92, 0.30), (0.50, 0.74), (0.08, 0.30)))
    p.line((0.50, 0.0), (0.50, 0.74))
    p.line((0.08, 0.30), (0.92, 0.30))


def _guitar(p: Pen) -> None:
    p.accent(DARK, tube(0.09, (0.50, 0.16), (0.50, 0.50)))
    p.accent(TAUPE, box(0.42, 0.0, 0.58, 0.14, 0.03))
    p.body(ellipse(0.50, 0.74, 0.29, 0.23), ellipse(0.50, 0.50, 0.21, 0.17))
    p.accent(DARK, ellipse(0.50, 0.60, 0.08), box(0.455, 0.30, 0.545, 0.52, 0.01))
    p.accent(TAUPE, box(0.36, 0.80, 0.64, 0.85))


def _drum(p: Pen) -> None:
    p.accent(TAUPE, tube(0.045, (0.06, 0.06), (0.46, 0.34)), tube(0.045, (0.94, 0.06), (0.54, 0.34)))
    p.body(box(0.08, 0.40, 0.92, 0.84, 0.01), ellipse(0.50, 0.84, 0.42, 0.12))
    zigzag = [(0.08, 0.46), (0.22, 0.88), (0.36, 0.52), (0.50, 0.94), (0.64, 0.52), (0.78, 0.88), (0.92, 0.46)]
    for start, end in pairwise(zigzag):
        p.line(start, end, width=0.03, colour=CREAM)
    p.accent(CREAM, ellipse(0.50, 0.40, 0.42, 0.12))
    p.accent(TAUPE, ellipse(0.44, 0.37, 0.04, 0.03), ellipse(0.56, 0.37, 0.04, 0.03))


def _bell(p: Pen) -> None:
    p.accent(DARK, ellipse(0.50, 0.90, 0.10, 0.08))
    p.accent(GREY, ellipse(0.50, 0.08, 0.08))
    side = [(0.34, 0.17), (0.26, 0.38), (0.22, 0.62), (0.10, 0.80)]
    p.body(blob((0.50, 0.10), *side, (0.50, 0.84), *((1 - x, y) for x, y in reversed(side))))
    p.shade(box(0.06, 0.76, 0.94, 0.87, 0.05))


def _ladder(p: Pen) -> None:
    rungs = [tube(0.09, (0.28, y), (0.72, y)) for y in (0.20, 0.41, 0.62, 0.83)]
    p.body(tube(0.12, (0.22, 0.94), (0.31, 0.05)), tube(0.12, (0.78, 0.94), (0.69, 0.05)), *rungs)


_ANIMALS: dict[str, Art] = {
    "dog": animals.dog, "cat": animals.cat, "horse": animals.horse, "pig": animals.pig, "rabbit": animals.rabbit,
    "bird": animals.bird, "fish": animals.fish, "duck": animals.duck, "snake": animals.snake, "turtle": animals.turtle,
}  # fmt: skip
_THINGS: dict[str, Art] = {
    "car": _car, "truck": _truck, "boat": _boat, "bicycle": _bicycle, "train": _train, "plane": _plane,
    "rocket": _rocket, "tree": _tree, "flower": _flower, "mushroom": _mushroom, "cactus": _cactus, "house": _house,
    "tent": _tent, "chair": _chair, "lamp": _lamp, "clock": _clock, "umbrella": _umbrella, "hat": _hat, "cup": _cup,
    "book": _book, "ball": _ball, "kite": _kite, "guitar": _guitar, "drum": _drum, "bell": _bell, "ladder": _ladder,
}  # fmt: skip
ART = {**_ANIMALS, **_THINGS}
