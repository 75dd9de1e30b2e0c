"""Images with captions to a retrieval data set: captions are the queries, images the documents."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from raqo.errors import DataError, message
from raqo.preference_data.sources.settings import SourceSettings
from raqo.records import Document, Query, RetrievalDataset

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class CaptionedImage:
    """One image file and its captions; `image_id` becomes the document id."""

    image_id: str
    path: str
    captions: tuple[str, ...]


def assemble(settings: SourceSettings, images: Iterable[CaptionedImage]) -> RetrievalDataset:
    """Make the text→image data set; query ``<image id>#<i>`` is caption i of that image.

    Raises:
        DataError: nothing usable is left.
    """
    chosen = sample(list(images), settings.limit, settings.seed)
    pairs = [
        (f"{image.image_id}#{index}", caption, image.image_id)
        for image in chosen
        for index, caption in enumerate(image.captions[: settings.captions_per_image])
    ]
    if not pairs:
        fix = "check path, split and images"
        raise DataError(message(settings.path, f"no usable caption in split {settings.split!r}", fix))
    return RetrievalDataset(
        name=settings.name or Path(settings.path).stem,
        split=settings.split,
        documents=tuple(Document(image.image_id, image=image.path) for image in chosen),
        queries=tuple(Query(query_id, caption) for query_id, caption, _ in pairs),
        targets={query_id: (image_id,) for query_id, _, image_id in pairs},
    )


def sample(items: Sequence[T], limit: int | None, seed: int) -> list[T]:
    """Take `limit` items by seed, keeping their order."""
    if limit is None or limit >= len(items):
        return list(items)
    return [items[index] for index in sorted(random.Random(seed).sample(range(len(items)), limit))]


def i2t_view(dataset: RetrievalDataset) -> RetrievalDataset:
    """Turn a text→image data set round: images search captions, every caption of an image is its target.

    A caption keeps its query id as document id. Images without captions are no queries.
    """
    captions: dict[str, list[str]] = {}
    for query in dataset.queries:
        for image_id in dataset.targets[query.query_id]:
            captions.setdefault(image_id, []).append(query.query_id)
    images = [document for document in dataset.documents if document.doc_id in captions]
    return replace(
        dataset,
        documents=tuple(Document(query.query_id, text=query.text) for query in dataset.queries),
        queries=tuple(Query(document.doc_id, image=document.image) for document in images),
        targets={image_id: tuple(ids) for image_id, ids in captions.items()},
        reference={},
    )
