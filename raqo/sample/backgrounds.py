"""Muted backgrounds of the settings, each in a fixed number of variants."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from functools import lru_cache

from PIL import Image, ImageDraw

from raqo.sample.pen import Colour, Point, smooth

VARIANTS = 40
HORIZON = 0.56


class _Stage:
    """A picture under construction, `side` dots squared, addressed in fractions of its side."""

    def __init__(self, side: int, rng: random.Random) -> None:
        self.side = side
        self.rng = rng
        self.picture = Image.new("RGB", (side, side))
        self._draw = ImageDraw.Draw(self.picture)

    def gradient(self, top: float, bottom: float, upper: Colour, lower: Colour) -> None:
        """Fill a band with a vertical blend of two colours."""
        first, last = round(top * self.side), round(bottom * self.side)
        self.picture.paste(self._blend(last - first, upper, lower), (0, first))

    def _blend(self, height: int, upper: Colour, lower: Colour) -> Image.Image:
        size = (self.side, height)
        ramp = Image.linear_gradient("L").resize(size)
        return Image.composite(Image.new("RGB", size, lower), Image.new("RGB", size, upper), ramp)

    def disc(self, x: float, y: float, radius: float, colour: Colour, stretch: float = 1.0) -> None:
        """An ellipse `stretch` times as wide as high."""
        corners = (x - radius * stretch, y - radius, x + radius * stretch, y + radius)
        self._draw.ellipse([c * self.side for c in corners], fill=colour)

    def bar(self, x0: float, y0: float, x1: float, y1: float, colour: Colour) -> None:
        """A filled rectangle."""
        self._draw.rectangle([round(c * self.side) for c in (x0, y0, x1, y1)], fill=colour)

    def line(self, points: list[Point], colour: Colour, width: float = 0.008) -> None:
        """A thin line."""
        self._draw.line(
            [(x * self.side, y * self.side) for x, y in points], fill=colour, width=round(width * self.side)
        )

    def ridge(self, level: float, swing: float, upper: Colour, lower: Colour, bumps: int = 4) -> None:
        """Everything below a rolling line through `level`, blended from `upper` to `lower`."""
        points = [(i / bumps, level + self.rng.uniform(-swing, swing)) for i in range(-1, bumps + 2)]
        mask = Image.new("L", self.picture.size, 0)
        outline = [(x * self.side, y * self.side) for x, y in smooth(points)]
        ImageDraw.Draw(mask).polygon([*outline, (2 * self.side, 2 * self.side), (-self.side, 2 * self.side)], fill=255)
        top = round((level - swing) * self.side)
        blend = Image.new("RGB", self.picture.size, upper)
        blend.paste(self._blend(self.side - top, upper, lower), (0, top))
        self.picture.paste(blend, (0, 0), mask)

    def cloud(self, colour: Colour) -> None:
        """A flat cloud somewhere in the sky."""
        x, y, size = self.rng.uniform(0.1, 0.9), self.rng.uniform(0.08, 0.26), self.rng.uniform(0.7, 1.1)
        for dx, dy, radius in ((-0.07, 0.012, 0.035), (0.0, 0.0, 0.05), (0.07, 0.015, 0.033)):
            self.disc(x + dx * size, y + dy * size, radius * size, colour, 1.4)


def _snow(s: _Stage) -> None:
    s.gradient(0, 1, (178, 204, 226), (222, 234, 243))
    s.ridge(HORIZON - 0.10, 0.05, (204, 219, 233), (222, 232, 242))
    s.ridge(HORIZON, 0.025, (246, 249, 252), (224, 233, 243))
    for _ in range(34):
        x, y, size = s.rng.random(), s.rng.uniform(0, 0.95), s.rng.uniform(0.008, 0.02)
        tone = (255, 255, 255) if y < HORIZON - 0.02 else (200, 216, 232)
        for k in range(3):
            dx, dy = size * math.cos(k * math.pi / 3), size * math.sin(k * math.pi / 3)
            s.line([(x - dx, y - dy), (x + dx, y + dy)], tone, 0.007)


def _beach(s: _Stage) -> None:
    s.gradient(0, 0.45, (178, 216, 236), (226, 239, 241))
    s.disc(s.rng.choice((0.13, 0.87)) + s.rng.uniform(-0.03, 0.03), s.rng.uniform(0.11, 0.16), 0.085, (253, 233, 160))
    s.cloud((246, 250, 251))
    s.gradient(0.42, 0.62, (112, 174, 200), (156, 206, 216))
    for _ in range(9):
        x, y = s.rng.random(), s.rng.uniform(0.44, 0.55)
        s.line([(x - 0.05, y), (x + 0.05, y)], (206, 230, 234))
    s.ridge(0.585, 0.012, (244, 243, 230), (244, 243, 230))
    s.ridge(0.60, 0.012, (240, 224, 184), (222, 200, 154))
    for _ in range(26):
        s.disc(s.rng.random(), s.rng.uniform(0.64, 0.99), 0.004, (206, 182, 136))


def _forest(s: _Stage) -> None:
    s.gradient(0, 1, (190, 210, 180), (206, 220, 190))
    for tone, count, width in (((168, 188, 160), 9, 0.025), ((142, 162, 136), 7, 0.042)):
        shift = s.rng.random() / count
        for i in range(count + 1):
            x = i / count - shift + s.rng.uniform(-0.03, 0.03)
            s.bar(x, 0, x + width, HORIZON + 0.03, tone)
    for i in range(9):
        s.disc(i / 8 + s.rng.uniform(-0.05, 0.05), s.rng.uniform(-0.02, 0.04), 0.10, (112, 142, 108), 1.2)
    s.ridge(HORIZON, 0.015, (158, 188, 126), (118, 156, 98))
    for _ in range(22):
        x, y = s.rng.random(), s.rng.uniform(HORIZON + 0.05, 0.98)
        s.line([(x - 0.012, y - 0.025), (x, y), (x + 0.012, y - 0.025)], (104, 142, 88), 0.006)


def _city(s: _Stage) -> None:
    s.gradient(0, 0.6, (196, 204, 216), (228, 226, 224))
    s.cloud((236, 238, 240))
    for tone, low, high in (((190, 195, 206), 0.10, 0.30), ((166, 172, 186), 0.24, 0.42)):
        x = -s.rng.random() * 0.1
        while x < 1:
            width, top = s.rng.uniform(0.11, 0.18), s.rng.uniform(low, high)
            s.bar(x, top, x + width - 0.012, HORIZON + 0.03, tone)
            columns = int(width / 0.045)
            for row in range(int((HORIZON - top - 0.04) / 0.055)):
                for column in range(columns):
                    left = x + 0.014 + column * 0.042
                    s.bar(left, top + 0.022 + row * 0.055, left + 0.02, top + 0.05 + row * 0.055, (222, 220, 204))
            x += width
    s.gradient(HORIZON, 0.66, (198, 197, 196), (190, 189, 190))
    s.gradient(0.66, 1, (150, 152, 160), (132, 134, 143))
    s.bar(0, 0.655, 1, 0.67, (216, 215, 212))
    start = s.rng.random() * 0.25
    for i in range(-1, 5):
        s.bar(i * 0.25 + start, 0.945, i * 0.25 + start + 0.13, 0.962, (218, 216, 208))


def _desert(s: _Stage) -> None:
    s.gradient(0, 0.7, (242, 204, 160), (252, 236, 206))
    s.disc(s.rng.uniform(0.15, 0.85), HORIZON - 0.13, 0.17, (249, 214, 146))
    s.ridge(HORIZON - 0.06, 0.05, (222, 172, 118), (214, 160, 104), 3)
    s.ridge(HORIZON + 0.03, 0.03, (232, 184, 126), (210, 154, 96), 3)
    for _ in range(8):
        x, y = s.rng.random(), s.rng.uniform(0.68, 0.97)
        s.line([(x - 0.06, y), (x - 0.02, y - 0.01), (x + 0.02, y), (x + 0.06, y - 0.01)], (200, 146, 92), 0.006)


def _night(s: _Stage) -> None:
    s.gradient(0, 0.7, (22, 28, 66), (66, 76, 124))
    for _ in range(36):
        s.disc(s.rng.random(), s.rng.uniform(0, 0.5), s.rng.uniform(0.003, 0.008), (236, 234, 206))
    x, y = s.rng.uniform(0.1, 0.9), s.rng.uniform(0.11, 0.17)
    s.disc(x, y, 0.08, (244, 238, 206))
    s.disc(x + 0.035, y - 0.02, 0.068, (30, 37, 77))
    s.ridge(HORIZON - 0.05, 0.04, (44, 52, 92), (44, 52, 92))
    s.ridge(HORIZON + 0.02, 0.02, (58, 68, 92), (36, 43, 64))


_SETTINGS: dict[str, Callable[[_Stage], None]] = {
    "snow": _snow, "beach": _beach, "forest": _forest, "city": _city, "desert": _desert, "night": _night,
}  # fmt: skip


@lru_cache(maxsize=len(_SETTINGS) * VARIANTS)
def background(setting: str, variant: int, pixels: int) -> Image.Image:
    """The empty picture of a setting; a cached image, to be copied before drawing on it."""
    stage = _Stage(pixels * 2, random.Random(f"{setting}-{variant}"))
    _SETTINGS[setting](stage)
    return stage.picture.resize((pixels, pixels), Image.Resampling.BOX)
