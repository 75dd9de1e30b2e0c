"""Where a data set lies and how to read it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from raqo.errors import ConfigError, message
from raqo.records import OnError

Format = Literal["auto", "csv", "karpathy", "coco", "huggingface", "beir", "sample"]


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceSettings:
    """Settings of one data source.

    Attributes:
        path: a file (CSV, Karpathy or COCO JSON, Parquet), a folder (BEIR, Hugging Face), or a name on the hub.
        format: ``auto`` recognises everything that lies on disk; a hub name needs ``huggingface``.
        images: folder that image paths are relative to; by default it is looked for beside `path`. No entry of the data
            can name a file outside this folder.
        split: split to read (Karpathy, Hugging Face, BEIR); Karpathy's ``restval`` counts as ``train``.
        name: name of the data set; by default taken from `path`.
        image_column: column with the image (CSV, Hugging Face).
        caption_column: column with the caption, or a list of captions (CSV, Hugging Face).
        captions_per_image: captions used per image, the first ones; None for all. The usual protocol has 5.
        limit: take so many images with all their captions (text corpora: so many queries, the corpus stays whole).
        seed: which ones `limit` takes.
        on_error: what a bad entry, or a picture that cannot be read, does: ``fail`` with one clear error, or ``skip``
            it, counted and said, with the queries that look for nothing else.
        cache: folder for images that a Hugging Face data set carries inside; by default the user's cache folder.
    """

    path: str
    format: Format = "auto"
    images: str | None = None
    split: str = "train"
    name: str = ""
    image_column: str = "image"
    caption_column: str = "caption"
    captions_per_image: int | None = 5
    limit: int | None = None
    seed: int = 0
    on_error: OnError = "fail"
    cache: str | None = None

    def __post_init__(self) -> None:
        for name in ("limit", "captions_per_image"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(message(name, f"expected at least 1, got {value}", "leave it out to take everything"))
