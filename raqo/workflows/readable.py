"""What is left of a data set when some of its pictures cannot be read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from raqo.errors import DataError, message
from raqo.records import Document, KnowledgeDataset, OnError, RetrievalDataset
from raqo.retrievers.gallery import Skipped, unreadable
from raqo.workflows.progress import bar, say


def require_readable(dataset: RetrievalDataset, on_error: OnError) -> RetrievalDataset:
    """Open every picture of a data set, with a progress bar; nothing is kept of them.

    Returns:
        With ``skip``, the data set as `without` those that cannot be read.

    Raises:
        DataError: with ``fail``, one cannot be read; or nothing is left.
    """
    pictures = [document for document in dataset.documents if document.image is not None]
    skipped = _unreadable(dataset.split, pictures)
    if skipped and on_error == "fail":
        problem = f"{len(skipped)} of {len(pictures)} pictures cannot be read"
        fix = f"set on_error: skip, or see to them; the first is {skipped[0].reason}"
        raise DataError(message(dataset.split, problem, fix))
    return without(dataset, skipped)


def say_unreadable(dataset: KnowledgeDataset, name: str) -> None:
    """Open the picture of every question, and say how many cannot be read; what needs one of them will fail."""
    asked = {one.query.image: Document(one.query.query_id, image=one.query.image) for one in dataset.questions}
    skipped = _unreadable(name, [picture for image, picture in asked.items() if image is not None])
    if skipped:
        say(f"{name}: {len(skipped)} pictures cannot be read; first: {skipped[0].reason}")


def without(dataset: RetrievalDataset, skipped: Sequence[Skipped]) -> RetrievalDataset:
    """Leave out documents, and the queries of which no target is left then; one line says how many.

    Raises:
        DataError: no query is left.
    """
    if not skipped:
        return dataset
    missing = {doc_id for doc_id, _ in skipped}
    left = {key: tuple(doc_id for doc_id in ids if doc_id not in missing) for key, ids in dataset.targets.items()}
    queries = tuple(query for query in dataset.queries if left[query.query_id])
    gone = len(dataset.queries) - len(queries)
    problem = f"left out {len(skipped)} pictures that cannot be read, and {gone} queries for them"
    first = skipped[0].reason
    if not queries:
        raise DataError(message(dataset.split, f"{problem}, and none is left", f"look at the first: {first}"))
    say(f"{dataset.split}: {problem}; first: {first}")
    return replace(
        dataset,
        documents=tuple(document for document in dataset.documents if document.doc_id not in missing),
        queries=queries,
        targets={query.query_id: left[query.query_id] for query in queries},
        reference={key: text for key, text in dataset.reference.items() if left[key]},
    )


def _unreadable(name: str, pictures: Sequence[Document]) -> tuple[Skipped, ...]:
    if not pictures:
        return ()
    with bar(name, len(pictures), "pictures") as shown:
        return unreadable(pictures, opened=shown.update)
