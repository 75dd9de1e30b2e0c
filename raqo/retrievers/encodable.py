"""Texts that tokenizers can read."""

from __future__ import annotations


def encodable(text: str) -> str:
    """Put question marks for half surrogate pairs, which a model's JSON may hold and tokenizers refuse."""
    return text.encode("utf-8", "replace").decode()
