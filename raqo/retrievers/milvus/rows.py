"""Documents as rows of a Milvus collection, in insertions of bounded size."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from raqo.errors import DataError, message
from raqo.protocols import FloatArray

MOST_BYTES = 65_535
"""Milvus' limit for one text, in UTF-8."""

BYTES_AT_ONCE = 8 * 2**20
"""Of one insertion; a server takes 64 MiB by default."""


@dataclass(frozen=True, slots=True)
class Row:
    """One document: its id, and the words or the vector that it is found by."""

    doc_id: str
    content: str | FloatArray

    @property
    def size(self) -> int:
        """Bytes on the wire, about."""
        content = self.content
        return len(stored_id(self.doc_id)) + (len(content.encode()) if isinstance(content, str) else content.nbytes)


def key_of(doc_id: str) -> int:
    """The primary key of a document: 63 bits of a hash of its id."""
    return int.from_bytes(hashlib.sha256(doc_id.encode("utf-8", "surrogatepass")).digest()[:8], "big") >> 1


def stored_id(doc_id: str) -> str:
    """A document id as Milvus keeps it: as JSON in ASCII, so that every Python string comes back as it went.

    Raises:
        DataError: it is too long.
    """
    stored = json.dumps(doc_id)
    if len(stored) > MOST_BYTES:
        problem = f"its id takes {len(stored):,} bytes, Milvus keeps {MOST_BYTES:,}"
        raise DataError(message(f"document {doc_id[:40]!r}...", problem, "give it a shorter id"))
    return stored


def read_id(stored: str) -> str:
    """The document id that `stored_id` wrote."""
    doc_id: str = json.loads(stored)
    return doc_id


def require_distinct_keys(doc_ids: Sequence[str]) -> None:
    """Check that no two documents share a key; of galleries of 20 million, one in 50,000 has such a pair.

    Raises:
        DataError: two do, or an id is too long.
    """
    owners: dict[int, str] = {}
    for doc_id in doc_ids:
        stored_id(doc_id)
        other = owners.setdefault(key_of(doc_id), doc_id)
        if other != doc_id:
            problem = f"its key in Milvus is also that of {other!r}"
            raise DataError(message(f"document {doc_id!r}", problem, "give one of the two another id"))


def insertions(rows: Iterable[Row], *, most_rows: int, most_bytes: int = BYTES_AT_ONCE) -> Iterator[list[Row]]:
    """Group rows as they come; one group is held at a time, larger than `most_bytes` only where one row is."""
    group: list[Row] = []
    size = 0
    for row in rows:
        if group and (len(group) == most_rows or size + row.size > most_bytes):
            yield group
            group, size = [], 0
        group.append(row)
        size += row.size
    if group:
        yield group
