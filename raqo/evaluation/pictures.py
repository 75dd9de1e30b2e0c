"""Small pictures inside the page, so that the report is one file."""

from __future__ import annotations

import base64
import io

MAX_PIXELS = 50_000_000


def thumbnail(path: str | None, *, side: int) -> str | None:
    """Shrink an image file to a WebP data URL with its longest side at most `side` pixels.

    Returns:
        ``None`` if there is no readable picture (missing, corrupt, above `MAX_PIXELS`): a placeholder is shown.
    """
    from PIL import Image, ImageOps

    if path is None:
        return None
    try:
        with Image.open(path) as image:
            if image.width * image.height > MAX_PIXELS:
                return None
            image.draft("RGB", (side, side))
            small = ImageOps.exif_transpose(image).convert("RGB")
        small.thumbnail((side, side))
        buffer = io.BytesIO()
        small.save(buffer, format="WEBP", quality=80)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):  # Pillow's ways to say "corrupt"
        return None
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
