"""Rows of two runs, compared to what float32 can tell.

A sentence's vector changes in its last digits with the batch it is encoded in; rounded for the file, a cosine beside a
rounding border then changes by one in the last decimal. Nothing else may differ.
"""

from __future__ import annotations

import json
import math
from typing import Any

LAST_DECIMAL = 2e-5


def same_rows(one: bytes, other: bytes) -> bool:
    """Whether two JSONL files hold the same rows in the same order, numbers within one of the last decimal."""
    left, right = ([json.loads(line) for line in content.splitlines()] for content in (one, other))
    return _alike(left, right)


def _alike(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float | int):
        return math.isclose(one, other, rel_tol=0, abs_tol=LAST_DECIMAL)
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return list(one) == list(other) and all(_alike(one[name], other[name]) for name in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(_alike, one, other))
    return bool(one == other)
