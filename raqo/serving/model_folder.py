"""The model folder as engines see it: named ``rewriter``, and asked with plain prompts whatever its template."""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

from raqo.agents.raw_prompts import MARK, stop_ids, use_raw_prompts
from raqo.errors import DataError, message
from raqo.serving.engine import MODEL_NAME

TEMPLATE = "chat_template.jinja"
GENERATION = "generation_config.json"


@contextlib.contextmanager
def linked_model(folder: Path) -> Iterator[Path]:
    """Give a temporary folder in which the model stands as ``rewriter``; nothing is copied or changed.

    A model saved by raqo is linked as it is; for another one, tokenizer and generation settings are written anew.

    Raises:
        DataError: the folder holds no model with safetensors.
    """
    if not (folder / "config.json").is_file() or not list(folder.glob("*.safetensors")):
        problem = "holds no model (config.json and *.safetensors)"
        raise DataError(message(str(folder), problem, "give a run folder or the folder of a trained rewriter"))
    with tempfile.TemporaryDirectory(prefix="raqo-serve-") as name:
        place = Path(name) / MODEL_NAME
        if _asks_plainly(folder):
            place.symlink_to(folder.resolve(), target_is_directory=True)
        else:
            _adapt(folder, place)
        yield Path(name)


def _asks_plainly(folder: Path) -> bool:
    template = folder / TEMPLATE
    return template.is_file() and template.read_text(encoding="utf-8").startswith(MARK)


def _adapt(folder: Path, place: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    use_raw_prompts(tokenizer)
    tokenizer.save_pretrained(place)
    settings = _read_settings(folder / GENERATION) | {"eos_token_id": stop_ids(tokenizer)}
    (place / GENERATION).write_text(json.dumps(settings), encoding="utf-8")
    for path in folder.iterdir():
        if path.suffix in (".json", ".safetensors") and not (place / path.name).exists():
            (place / path.name).symlink_to(path.resolve())


def _read_settings(path: Path) -> dict[str, object]:
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}
