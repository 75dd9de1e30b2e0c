"""Where a stage is worked on and how it gets its final name: never half a model under that name."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from raqo.errors import RunFolderError, message
from raqo.files import put_in_place, write_json
from raqo.training.card import model_card
from raqo.training.manifest import MANIFEST_FILE, Inputs, Manifest, differences

_STARTED = "inputs.json"


def open_partial(folder: Path, inputs: Inputs) -> Path:
    """Return the folder to work in, beside the final one; what a run with other inputs left there is dropped.

    Raises:
        RunFolderError: it cannot be created.
    """
    partial = folder.with_name(f".{folder.name}.partial")
    if partial.exists() and differences(inputs, _read(partial / _STARTED)):
        shutil.rmtree(partial)
    try:
        partial.mkdir(parents=True, exist_ok=True)
        write_json(partial / _STARTED, asdict(inputs))
    except OSError as error:
        problem = f"cannot be written ({error})"
        raise RunFolderError(message(str(partial), problem, "make room or give another --out")) from error
    return partial


def close_partial(partial: Path, folder: Path, manifest: Manifest) -> None:
    """Add manifest and card, drop what was needed to resume, and put the folder in its place."""
    shutil.rmtree(partial / "checkpoints", ignore_errors=True)
    (partial / _STARTED).unlink(missing_ok=True)
    (partial / "README.md").write_text(model_card(manifest), encoding="utf-8")
    write_json(partial / MANIFEST_FILE, asdict(manifest))
    put_in_place(partial, folder)


@contextlib.contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Turn what a full or read-only disk does to the libraries into one clear error.

    Raises:
        RunFolderError: nothing more can be written; what was done stays.
    """
    from safetensors import SafetensorError

    try:
        yield
    except RunFolderError:
        raise
    except (OSError, SafetensorError) as error:
        problem = f"cannot be written ({error})"
        fix = "make room and run the same command again; it goes on from the last checkpoint"
        raise RunFolderError(message(str(folder), problem, fix)) from error


def _read(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}
