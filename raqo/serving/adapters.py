"""Which LoRA adapters a client may have loaded: folders below one directory, safetensors only."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from raqo.serving.engine import MODEL_NAME

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class RefusedError(Exception):
    """What a client asked for is not allowed; the text tells it why."""


def adapter_request(body: Mapping[str, Any], directory: Path) -> dict[str, str]:
    """Check a request to load an adapter; give the one that the engine gets.

    Args:
        body: ``lora_name``, and ``lora_path`` relative to the directory.
        directory: the adapters' place.

    Raises:
        RefusedError: the name is not plain, or the folder is not a adapter below the directory.
    """
    name, path = body.get("lora_name"), body.get("lora_path")
    if not isinstance(name, str) or not _NAME.fullmatch(name) or name == MODEL_NAME:
        raise RefusedError("lora_name must be up to 64 letters, digits, '.', '_' or '-', and not the model's own name")
    if not isinstance(path, str) or not path or "\0" in path:
        raise RefusedError("lora_path must name a folder")
    root = directory.resolve()
    folder = (root / path).resolve()  # follows links, so one that leads elsewhere is seen
    if root not in folder.parents:
        raise RefusedError("lora_path must name a folder below the adapters' directory")
    if not (folder / "adapter_config.json").is_file() or not (folder / "adapter_model.safetensors").is_file():
        raise RefusedError("there is no adapter (adapter_config.json and adapter_model.safetensors) at lora_path")
    return {"lora_name": name, "lora_path": str(folder)}
