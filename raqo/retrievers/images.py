"""Opening picture files nobody has checked before."""

from __future__ import annotations

import hashlib
from pathlib import Path

from PIL import Image, ImageOps

from raqo.errors import DataError, message

MAX_PIXELS = 89_478_485
"""Pictures with more pixels are refused unread (270 MB once decoded); the same number at which Pillow warns."""

_FIX = "replace or remove the file"


def open_image(path: str | Path) -> Image.Image:
    """Decode a picture to RGB, turned as its EXIF orientation says; the first frame where there are several.

    The size is read from the header and checked before anything is decoded, so a decompression bomb costs nothing.

    Raises:
        DataError: the file is missing, not a picture, truncated, or larger than `MAX_PIXELS`.
    """
    _require_file(path)
    try:
        with Image.open(path) as image:
            width, height = image.size
            if width * height > MAX_PIXELS:
                raise _too_large(path, f"{width} x {height} pixels")
            upright: Image.Image = ImageOps.exif_transpose(image)
            return upright.convert("RGB")
    except DataError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_large(path, "more than is safe to open") from error
    except Exception as error:  # decoders raise all kinds of errors on bytes that are not what they claim to be
        raise DataError(message(str(path), f"not a readable picture ({_reason(error)})", _FIX)) from error


def picture_problem(path: str | Path) -> str | None:
    """What keeps a picture from being opened; None where nothing does."""
    try:
        open_image(path)
    except DataError as error:
        return str(error)
    return None


def content_hash(path: str | Path) -> str:
    """SHA-256 of a file's bytes.

    Raises:
        DataError: the file cannot be read.
    """
    _require_file(path)
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(message(str(path), f"cannot be read ({_reason(error)})", _FIX)) from error


def _require_file(path: str | Path) -> None:
    if not Path(path).is_file():
        raise DataError(message(str(path), "expected a picture, found no such file", _FIX))


def _too_large(path: str | Path, size: str) -> DataError:
    problem = f"expected at most {MAX_PIXELS:,} pixels, got {size}"
    return DataError(message(str(path), problem, "shrink it or remove the file"))


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
