"""Queries and documents that are scored pair by pair."""

from __future__ import annotations

from collections.abc import Sequence

from raqo.records import Query


def require_pairs(queries: Sequence[Query], doc_ids: Sequence[str]) -> None:
    """Check that query i has a document i to be scored with.

    Raises:
        ValueError: not as many documents as queries.
    """
    if len(queries) != len(doc_ids):
        raise ValueError(f"similarity: {len(queries)} queries for {len(doc_ids)} documents; give as many of each.")
