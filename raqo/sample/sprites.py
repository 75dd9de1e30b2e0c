"""Finished sprites: an object's art, patterned, turned, shrunk and given a light halo; soft shadows; motion lines."""

from __future__ import annotations

from functools import lru_cache

from PIL import Image, ImageDraw, ImageFilter

from raqo.sample.objects import ART
from raqo.sample.pen import INK, MARGIN, PAINTS, Pen

SUPERSAMPLING = 3
_HALO = [round(opacity * 0.8) for opacity in range(256)]


@lru_cache(maxsize=256)
def _pattern(pattern: str, side: int) -> Image.Image:
    """A mask of `side` dots squared that is set where a pattern shows its second tone."""
    mask = Image.new("L", (side, side), 0)
    draw = ImageDraw.Draw(mask)
    if pattern == "striped":
        step = side * 0.19
        for i in range(-7, 9):
            x = i * step
            draw.polygon([(x, 0), (x + step * 0.44, 0), (x + step * 0.44 + side, side), (x + side, side)], fill=255)
    elif pattern == "spotted":
        step, radius = side * 0.18, side * 0.056
        for row in range(9):
            for column in range(-1, 9):
                x, y = (column + row % 2 / 2) * step, row * step * 0.87
                draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
    else:
        step = side * 0.135
        for row in range(10):
            for column in range(row % 2, 10, 2):
                draw.rectangle((column * step, row * step, (column + 1) * step - 1, (row + 1) * step - 1), fill=255)
    return mask


def _draw(kind: str, colour: str, pattern: str, side: int, *, masked: bool = False) -> Pen:
    pen = Pen(PAINTS[colour], side, masked=masked or pattern != "plain")
    ART[kind](pen)
    if pattern != "plain":
        marked = Image.new("RGBA", pen.art.size, (*pen.paint.pattern, 255))
        clear = Image.composite(_pattern(pattern, side), Image.new("L", pen.mask.size, 0), pen.mask)
        pen.art.paste(marked, (0, 0), clear)
    return pen


def body_mask(kind: str, side: int) -> Image.Image:
    """Where an object shows its colour in an uncropped square of `side` dots, its outline and accents left out."""
    return _draw(kind, "red", "plain", side, masked=True).mask


def body_picture(kind: str, colour: str, side: int) -> Image.Image:
    """The uncropped, unshrunk art that `body_mask` describes."""
    return _draw(kind, colour, "plain", side).art


@lru_cache(maxsize=256)
def sprite(kind: str, colour: str, pattern: str, size: int, angle: int = 0) -> Image.Image:
    """An object about `size` pixels wide or high, cropped to what shows; `angle` turns it counter-clockwise."""
    side = round(size * (1 + 2 * MARGIN))
    art = _draw(kind, colour, pattern, side * SUPERSAMPLING).art
    if angle:
        art = art.rotate(angle, Image.Resampling.NEAREST, expand=True)
    width, height = (round(length / SUPERSAMPLING) for length in art.size)
    art = art.resize((width, height), Image.Resampling.BOX)
    reach = max(round(size / 64), 1)
    framed = Image.new("RGBA", (width + 2 * reach, height + 2 * reach), (255, 255, 255, 0))
    framed.paste(art, (reach, reach))
    halo = framed.getchannel("A").filter(ImageFilter.MaxFilter(2 * reach + 1)).point(_HALO)
    backed = Image.new("RGBA", framed.size, (255, 255, 255, 0))
    backed.putalpha(halo)
    backed.alpha_composite(framed)
    return backed.crop(backed.getchannel("A").getbbox())


@lru_cache(maxsize=256)
def shadow(width: int) -> Image.Image:
    """The opacity of a soft flat shadow `width` pixels wide."""
    height, soft = max(width // 5, 4), max(width // 16, 1)
    mask = Image.new("L", (width + 4 * soft, height + 4 * soft), 0)
    ImageDraw.Draw(mask).ellipse((2 * soft, 2 * soft, width + 2 * soft, height + 2 * soft), fill=90)
    return mask.filter(ImageFilter.GaussianBlur(soft))


@lru_cache(maxsize=256)
def motion(width: int, height: int) -> Image.Image:
    """Three bold speed lines over two puffs of dust, for something that runs to the right."""
    big = Image.new("RGBA", (width * 2, height * 2), (255, 255, 255, 0))
    draw = ImageDraw.Draw(big)
    wide, high = width * 2 - 2, height * 2 - 2
    thick = max(high * 0.075, 4.0)
    for start, level in ((0.25, 0.12), (0.0, 0.36), (0.30, 0.60)):
        for grow, fill in ((2, INK), (0, (255, 255, 255))):
            top = level * high
            corners = (start * wide + 2 - grow, top - grow, wide - 2 + grow, top + thick + grow)
            draw.rounded_rectangle(corners, thick / 2 + grow, fill=(*fill, 255))
    radius = min(high * 0.11, wide * 0.24)
    for grow, fill in ((2, INK), (0, (240, 236, 226))):
        for x, size in ((0.26, 0.75), (0.68, 1.0)):
            r = radius * size
            cx, cy = x * wide, high - r - 2
            draw.ellipse((cx - r - grow, cy - r - grow, cx + r + grow, cy + r + grow), fill=(*fill, 255))
    return big.resize((width, height), Image.Resampling.BOX)
