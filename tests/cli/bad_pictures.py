"""Picture files that cannot be read, and data sets that name them."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable
from pathlib import Path

from PIL import Image

GOOD = [("a.png", "a red boat"), ("b.png", "a green tree"), ("c.png", "a blue dog")]


def picture(path: Path, colour: str = "red") -> None:
    Image.new("RGB", (64, 64), colour).save(path)


def corrupt(path: Path) -> None:
    path.write_bytes(b"no picture")


def truncated(path: Path) -> None:
    Image.effect_noise((64, 64), 90).save(path)
    path.write_bytes(path.read_bytes()[:1500])


def huge_png(path: Path) -> None:
    """A PNG whose header claims 30,000 x 30,000 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b""))


def good_pictures(folder: Path) -> None:
    """The files of `GOOD`."""
    for (name, _), colour in zip(GOOD, ("red", "green", "blue"), strict=True):
        picture(folder / name, colour)


def table(path: Path, rows: Iterable[tuple[str, str]], *, encoding: str = "utf-8") -> None:
    """A CSV file of pictures and captions."""
    lines = ["image,caption", *(f"{image},{caption}" for image, caption in rows)]
    path.write_bytes(("\n".join(lines) + "\n").encode(encoding))
