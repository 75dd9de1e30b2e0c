"""What is searched with what: text to image, or image to text. The texts are what the compared systems change."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from raqo.errors import DataError, message
from raqo.protocols import Retriever
from raqo.records import Direction, Document, Query, Ranking, RetrievalDataset

Texts = Mapping[str, str]
"""Query id of the data set to a wording."""


@dataclass(frozen=True, slots=True)
class Task:
    """One direction of retrieval over one split.

    Attributes:
        texts: the wordings as they came, by query id of the data set.
        targets: what each searching item must find: query id to documents (t2i), image id to query ids (i2t).
        rank: search with these wordings; one batched search, rankings in the order of `targets`.
        captions: for each searching item the ids of the wordings that belong to it.
    """

    direction: Direction
    split: str
    texts: Texts
    targets: Mapping[str, tuple[str, ...]]
    rank: Callable[[Texts], list[Ranking]]
    captions: Mapping[str, tuple[str, ...]]


def text_to_image(dataset: RetrievalDataset, retriever: Retriever, *, depth: int) -> Task:
    """Each text searches the gallery; a system rewrites the query. Serves text corpora as well."""
    targets = {query.query_id: tuple(dataset.targets[query.query_id]) for query in dataset.queries}

    def rank(texts: Texts) -> list[Ranking]:
        queries = [Query(query.query_id, texts[query.query_id], query.image) for query in dataset.queries]
        return retriever.search(queries, k=depth)

    own = {query.query_id: (query.query_id,) for query in dataset.queries}
    return Task(Direction.T2I, dataset.split, _texts(dataset), targets, rank, own)


def image_to_text(dataset: RetrievalDataset, index: Callable[[Sequence[Document]], Retriever], *, depth: int) -> Task:
    """Each image searches all texts of the split; a system rewrites the texts, which are encoded anew.

    Args:
        dataset: documents with images; an image is a query if any text names it as its target.
        index: builds a retriever over text documents in the encoder's space.
        depth: hits to retrieve for each image.
    """
    captions: dict[str, list[str]] = {}
    for query in dataset.queries:
        for doc_id in dataset.targets[query.query_id]:
            captions.setdefault(doc_id, []).append(query.query_id)
    images = [document for document in dataset.documents if document.doc_id in captions]
    _check_images(images)
    targets = {image.doc_id: tuple(captions[image.doc_id]) for image in images}

    def rank(texts: Texts) -> list[Ranking]:
        gallery = [Document(query.query_id, text=texts[query.query_id]) for query in dataset.queries]
        return index(gallery).search([Query(image.doc_id, image=image.image) for image in images], k=depth)

    return Task(Direction.I2T, dataset.split, _texts(dataset), targets, rank, targets)


def _texts(dataset: RetrievalDataset) -> Texts:
    return {query.query_id: query.text for query in dataset.queries}


def _check_images(images: Sequence[Document]) -> None:
    for document in images:
        if not document.image:
            where, problem = f"document {document.doc_id!r}", "has no image to search with"
            raise DataError(message(where, problem, "evaluate text corpora in direction t2i only"))
