"""Any settings or provenance as plain values for JSON and for a table."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from enum import Enum
from typing import Any


def plain(value: Any) -> Any:
    """Turn records, paths, enums, tuples and numpy numbers into what JSON can hold."""
    if isinstance(value, Enum):
        return plain(value.value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {item.name: plain(getattr(value, item.name)) for item in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):  # numpy scalars and arrays
        return plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, str | int | bool) else str(value)


def flatten(value: Any, name: str = "") -> list[tuple[str, str]]:
    """Nested plain values as (dotted name, text) pairs, in order."""
    if isinstance(value, dict):
        return [pair for key, item in value.items() for pair in flatten(item, f"{name}.{key}" if name else key)]
    if isinstance(value, list):
        return [(name, ", ".join(item if isinstance(item, str) else json.dumps(item) for item in value))]
    return [(name, value if isinstance(value, str) else json.dumps(value))]
