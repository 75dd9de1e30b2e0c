"""Images as data URLs for chat messages."""

from __future__ import annotations

import base64
import functools
import io

from raqo.retrievers.images import open_image


@functools.lru_cache(maxsize=512)
def data_url(path: str, *, max_side: int) -> str:
    """Read an image file upright, shrink it to `max_side` pixels and encode it as JPEG; the last ones are remembered.

    Raises:
        DataError: the file is missing, too large or no readable image.
    """
    picture = open_image(path)
    picture.thumbnail((max_side, max_side))
    buffer = io.BytesIO()
    picture.save(buffer, format="JPEG", quality=85)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
