"""faiss, set up for exact search over batches."""

from __future__ import annotations

import functools
from typing import Any

BLAS_FROM = 20
"""Queries per batch from which distances come from matrix products, as in faiss before 1.15."""


@functools.cache
def load_faiss() -> Any:
    """Import faiss. Left alone, its 1.15 uses BLAS from 128,000 queries only; batches of 256 take 12 times longer."""
    import faiss

    faiss.cvar.distance_compute_blas_threshold = BLAS_FROM
    return faiss
