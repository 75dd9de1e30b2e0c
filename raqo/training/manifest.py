"""What a stage was made from and what came out, beside its weights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

MANIFEST_FILE = "manifest.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """Everything that decides the weights of a stage; equal inputs make a stage reusable.

    Attributes:
        base_model: hash of weights and tokenizer.
        lineage: stages the base model has been through.
        rows: hash of the stage's rows.
        replay: hash of the replayed rows; empty without any.
        settings: of the stage, with adapters and dtype.
        retriever: fingerprint the rows were mined with.
        prompts: hash of the prompt files.
    """

    base_model: str
    lineage: tuple[str, ...]
    rows: str
    replay: str
    settings: Mapping[str, Any]
    seed: int
    retriever: str
    prompts: str
    code_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The record of a finished stage."""

    stage: str
    inputs: Inputs
    rows: int
    too_long: int
    steps: int
    metrics: Mapping[str, float]
    weights: str


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read a folder's manifest; an empty mapping where there is none to be read."""
    try:
        found = json.loads((folder / MANIFEST_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def differences(inputs: Inputs, found: Mapping[str, Any]) -> list[str]:
    """Names of the inputs that differ from those in a manifest, settings one by one."""
    wanted = json.loads(json.dumps(asdict(inputs)))
    names = [name for name in wanted if name != "settings" and wanted[name] != found.get(name)]
    new, old = wanted["settings"], found.get("settings") or {}
    return names + [f"settings.{name}" for name in sorted({*new, *old}) if new.get(name) != old.get(name)]
