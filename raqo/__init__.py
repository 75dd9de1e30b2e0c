"""raqo: retriever-adaptive query optimisation.

The public names below load lazily: ``import raqo`` imports neither torch nor any other heavy library.
"""

from __future__ import annotations

import importlib
from typing import Any

from raqo import _torchvision

__version__ = "0.1.0"

_PUBLIC = {
    "Document": "raqo.records",
    "Hit": "raqo.records",
    "Query": "raqo.records",
    "Ranking": "raqo.records",
    "RetrievalDataset": "raqo.records",
    "Trace": "raqo.records",
    "Verdict": "raqo.records",
    "Encoder": "raqo.protocols",
    "Retriever": "raqo.protocols",
    "Reviewer": "raqo.protocols",
    "Rewriter": "raqo.protocols",
    "RaqoError": "raqo.errors",
    "RunConfig": "raqo.config",
    "load_config": "raqo.config",
}

__all__ = ["__version__", *sorted(_PUBLIC)]

_torchvision.install_guard()


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'raqo' has no attribute {name!r}")
    return getattr(importlib.import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return __all__
