"""Makes a CUDA build of torchvision importable beside a CPU build of torch.

PyPI's torchvision wheels are linked against CUDA. Beside a CPU-only torch their compiled operators cannot load, and the
Python half then fails on import because it registers fake kernels for operators nobody has defined. transformers, timm
and open_clip all import torchvision, so one broken wheel takes the whole stack down. The guard waits until torchvision
is first looked up, tries its compiled library, and only if that cannot load declares the two operator schemas the
Python half expects. ``torchvision.ops.nms`` and ``torchvision.io`` stay unusable then; raqo needs neither.
"""

from __future__ import annotations

import importlib.machinery
import os
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

_keep_alive: list[Any] = []


class _TorchvisionGuard:
    """A meta-path finder that acts once, on the first import of torchvision."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name != "torchvision":
            return None
        sys.meta_path.remove(self)
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        if spec is not None and spec.submodule_search_locations:
            _declare_missing_operators(spec.submodule_search_locations[0])
        return spec


def _declare_missing_operators(package_dir: str) -> None:
    import torch

    if torch.version.cuda is not None:
        return
    try:
        torch.ops.load_library(os.path.join(package_dir, "_C.so"))
    except OSError:
        library = torch.library.Library("torchvision", "FRAGMENT")
        for operator in ("nms", "qnms"):
            library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _keep_alive.append(library)


def install_guard() -> None:
    """Install the guard once; does nothing if torchvision is imported already. Imports no torch."""
    if "torchvision" in sys.modules or any(isinstance(finder, _TorchvisionGuard) for finder in sys.meta_path):
        return
    sys.meta_path.insert(0, _TorchvisionGuard())
