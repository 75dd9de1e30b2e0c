"""Outlined flat shapes in a unit square, and the pen that draws them as body, shade or accent.

A shape is a function that paints itself, grown by some margin, with one value. Painting a group of shapes first grown
in ink and then plain in their fill gives them one common outline.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

from PIL import Image, ImageDraw

Colour = tuple[int, int, int]
Value = int | tuple[int, ...]
Point = tuple[float, float]
Shape = Callable[[ImageDraw.ImageDraw, float, float, Value], None]

MARGIN = 0.05
OUTLINE = 0.022

INK: Colour = (46, 42, 54)
DARK: Colour = (70, 70, 82)
GREY: Colour = (158, 162, 172)
CREAM: Colour = (250, 241, 218)
GLASS: Colour = (212, 228, 236)
STRAW: Colour = (226, 200, 140)
TAUPE: Colour = (146, 128, 112)
SAGE: Colour = (116, 136, 112)


@dataclass(frozen=True, slots=True)
class Paint:
    """The tones of one body colour: its fill, a neighbouring shade, the tone of patterns, and ink seen on top of it."""

    main: Colour
    shade: Colour
    pattern: Colour
    ink: Colour = INK


PAINTS = {
    "red": Paint((224, 50, 46), (190, 34, 40), (124, 10, 24)),
    "orange": Paint((247, 138, 26), (224, 112, 14), (255, 218, 160)),
    "yellow": Paint((252, 214, 44), (234, 190, 24), (186, 138, 0)),
    "green": Paint((58, 168, 76), (42, 140, 62), (16, 84, 40)),
    "blue": Paint((40, 108, 226), (30, 86, 188), (12, 36, 108)),
    "purple": Paint((150, 72, 204), (122, 52, 170), (66, 18, 104)),
    "pink": Paint((250, 146, 190), (236, 118, 168), (200, 44, 118)),
    "brown": Paint((130, 80, 44), (106, 62, 32), (216, 172, 124)),
    "black": Paint((40, 40, 46), (64, 64, 72), (160, 160, 168), (178, 178, 186)),
    "white": Paint((252, 252, 250), (226, 229, 234), (144, 152, 168)),
}


def smooth(points: Sequence[Point], *, closed: bool = False, steps: int = 6) -> list[Point]:
    """Points on the Catmull-Rom curve through `points`."""
    count = len(points)
    curve = []
    for i in range(count if closed else count - 1):
        if closed:
            a, b, c, d = (points[(i + k) % count] for k in (-1, 0, 1, 2))
        else:
            a, b, c, d = (points[min(max(i + k, 0), count - 1)] for k in (-1, 0, 1, 2))
        for step in range(steps):
            t = step / steps
            w = (-t + 2 * t**2 - t**3, 2 - 5 * t**2 + 3 * t**3, t + 4 * t**2 - 3 * t**3, t**3 - t**2)
            x, y = (sum(wk * p[axis] for wk, p in zip(w, (a, b, c, d), strict=True)) / 2 for axis in (0, 1))
            curve.append((x, y))
    return curve if closed else [*curve, points[-1]]


def _scaled(points: Sequence[Point], scale: float) -> list[Point]:
    return [((x + MARGIN) * scale, (y + MARGIN) * scale) for x, y in points]


def ellipse(cx: float, cy: float, rx: float, ry: float | None = None) -> Shape:
    """An ellipse, or a circle without `ry`."""
    high = rx if ry is None else ry

    def paint(draw: ImageDraw.ImageDraw, scale: float, grow: float, value: Value) -> None:
        box = _scaled([(cx - rx - grow, cy - high - grow), (cx + rx + grow, cy + high + grow)], scale)
        draw.ellipse(box, fill=value)

    return paint


def box(x0: float, y0: float, x1: float, y1: float, radius: float = 0.02) -> Shape:
    """A rectangle with round corners."""

    def paint(draw: ImageDraw.ImageDraw, scale: float, grow: float, value: Value) -> None:
        corners = _scaled([(x0 - grow, y0 - grow), (x1 + grow, y1 + grow)], scale)
        draw.rounded_rectangle(corners, max(radius + grow, 0) * scale, fill=value)

    return paint


def polygon(*points: Point) -> Shape:
    """A straight-edged polygon; it can only grow."""

    def paint(draw: ImageDraw.ImageDraw, scale: float, grow: float, value: Value) -> None:
        corners = _scaled(points, scale)
        draw.polygon(corners, fill=value)
        if grow > 0:
            _stroke(draw, [*corners, corners[0]], 2 * grow * scale, value)

    return paint


@cache
def blob(*points: Point) -> Shape:
    """A smooth closed shape through `points`."""
    return polygon(*smooth(points, closed=True))


@cache
def dome(cx: float, cy: float, rx: float, ry: float) -> Shape:
    """The upper half of an ellipse."""
    turns = [math.pi * i / 20 for i in range(21)]
    return polygon(*((cx - rx * math.cos(t), cy - ry * math.sin(t)) for t in turns))


def tube(width: float, *points: Point) -> Shape:
    """A round-ended stroke along straight lines."""

    def paint(draw: ImageDraw.ImageDraw, scale: float, grow: float, value: Value) -> None:
        _stroke(draw, _scaled(points, scale), (width + 2 * grow) * scale, value)

    return paint


@cache
def bend(width: float, *points: Point) -> Shape:
    """A round-ended stroke along a smooth curve."""
    return tube(width, *smooth(points))


def _stroke(draw: ImageDraw.ImageDraw, points: Sequence[Point], width: float, value: Value) -> None:
    draw.line(points, fill=value, width=max(round(width), 1))
    half = width / 2
    if half > 1:
        for x, y in points:
            draw.ellipse((x - half, y - half, x + half, y + half), fill=value)


class Pen:
    """Draws one object in one colour on a transparent square of `side` dots.

    If `masked`, it also keeps a mask of the body: where the object's colour, and so a pattern, shows.
    """

    def __init__(self, paint: Paint, side: int, *, masked: bool = True) -> None:
        self.paint = paint
        self.scale = side / (1 + 2 * MARGIN)
        self.art = Image.new("RGBA", (side, side), (255, 255, 255, 0))
        self.mask = Image.new("L", (side, side), 0)
        self._art = ImageDraw.Draw(self.art)
        self._mask = ImageDraw.Draw(self.mask) if masked else None

    def _fill(self, colour: Colour, inside: int, shapes: Sequence[Shape]) -> None:
        for draw, ink, value in ((self._art, (*INK, 255), (*colour, 255)), (self._mask, 0, inside)):
            if draw is None:
                continue
            for shape in shapes:
                shape(draw, self.scale, OUTLINE, ink)
            for shape in shapes:
                shape(draw, self.scale, 0, value)

    def _clear(self, shape: Shape) -> None:
        if self._mask is not None:
            shape(self._mask, self.scale, 0, 0)

    def body(self, *shapes: Shape) -> None:
        """Fill `shapes` as one outlined body in the object's colour; patterns show here."""
        self._fill(self.paint.main, 255, shapes)

    def shade(self, *shapes: Shape) -> None:
        """Fill `shapes` in a neighbouring shade of the object's colour, without pattern."""
        self._fill(self.paint.shade, 0, shapes)

    def accent(self, colour: Colour, *shapes: Shape) -> None:
        """Fill `shapes` in a neutral colour."""
        self._fill(colour, 0, shapes)

    def hole(self, shape: Shape) -> None:
        """Cut a see-through outlined hole; for ellipses and boxes."""
        shape(self._art, self.scale, 0, (*INK, 255))
        shape(self._art, self.scale, -OUTLINE, (255, 255, 255, 0))
        self._clear(shape)

    def line(self, *points: Point, width: float = 0.024, colour: Colour | None = None) -> None:
        """A thin smooth line, by default in an ink that shows on the body."""
        ink = self.paint.ink if colour is None else colour
        stroke = bend(width, *points)
        stroke(self._art, self.scale, 0, (*ink, 255))
        self._clear(stroke)

    def eye(self, x: float, y: float, radius: float = 0.034) -> None:
        """A dark pupil in a light eye."""
        ellipse(x, y, radius + 0.014)(self._art, self.scale, 0, (255, 255, 255, 255))
        ellipse(x + 0.006, y, radius)(self._art, self.scale, 0, (*INK, 255))
        self._clear(ellipse(x, y, radius + 0.014))
