"""Finding, checking and loading an open_clip model: safetensors only."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from raqo.errors import ConfigError, DataError, message, nearest

BUILT_IN = "open_clip:"
LOCAL = "local-dir:"
CONFIG = "open_clip_config.json"
WEIGHTS = "open_clip_model.safetensors"
_CONTENT = (
    CONFIG,
    WEIGHTS,
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
)


@dataclass(frozen=True, slots=True)
class LoadedClip:
    """A model in evaluation mode with what belongs to it.

    Attributes:
        name: without any path of this machine.
        weights: hash of weights and configuration.
    """

    model: Any
    transform: Any
    tokenizer: Any
    name: str
    weights: str


def load_clip(source: str, device: str) -> LoadedClip:
    """Load ``open_clip:NAME/TAG``, ``local-dir:FOLDER`` or a folder.

    Raises:
        ConfigError: the name is unknown.
        DataError: the folder is incomplete, its weights are not safetensors, or they do not fit the configuration.
    """
    if source.startswith(BUILT_IN):
        return _load_built_in(source, device)
    folder = Path(source.removeprefix(LOCAL))
    if source.startswith(LOCAL) or folder.is_dir():
        return _load_folder(folder, device)
    problem = f"expected {BUILT_IN}NAME/TAG, {LOCAL}FOLDER or an existing folder, got {source!r}"
    raise ConfigError(message("retriever.model", problem, f"give e.g. {BUILT_IN}ViT-B-32/openai"))


def _load_folder(folder: Path, device: str) -> LoadedClip:
    import open_clip

    _require_files(folder)
    try:
        model, _, transform = open_clip.create_model_and_transforms(f"{LOCAL}{folder}", device=device)
        tokenizer = open_clip.get_tokenizer(f"{LOCAL}{folder}")
    except Exception as error:  # whatever open_clip, safetensors or tokenizers say about files that do not fit together
        problem = f"not a model open_clip can load ({_first_line(error)})"
        raise DataError(message(str(folder), problem, f"make {CONFIG} and {WEIGHTS} fit each other")) from error
    return LoadedClip(_ready(model), transform, tokenizer, folder.resolve().name, _folder_hash(folder))


def _require_files(folder: Path) -> None:
    if not folder.is_dir():
        raise DataError(message(str(folder), "expected a model folder, found none", "correct retriever.model"))
    for name in (CONFIG, WEIGHTS):
        if not (folder / name).is_file():
            others = ", ".join(sorted(p.name for p in folder.iterdir() if p.suffix in (".bin", ".pt", ".pth", ".ckpt")))
            why = f" ({others}: pickled weights are not loaded)" if others and name == WEIGHTS else ""
            fix = "save the model with open_clip's configuration and its weights as safetensors"
            raise DataError(message(str(folder), f"there is no {name}{why}", fix))


def _folder_hash(folder: Path) -> str:
    total = hashlib.sha256()
    for path in (folder / name for name in _CONTENT):
        if path.is_file():
            with open(path, "rb") as file:
                total.update(f"{path.name} {hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return total.hexdigest()[:16]


def _load_built_in(source: str, device: str) -> LoadedClip:
    import open_clip

    name, _, tag = source.removeprefix(BUILT_IN).rpartition("/")
    _require_known(source, name, tag)
    known = open_clip.get_pretrained_cfg(name, tag)
    try:
        _require_answer(known.get("hf_hub", ""))
        checkpoint = open_clip.download_pretrained(known)
    except Exception as error:  # no network, no space, a hub that refuses: all the same to the user
        problem = f"the weights cannot be downloaded ({_first_line(error)})"
        fix = f"go online once, or give a folder with {LOCAL}FOLDER"
        raise DataError(message(source, problem, fix)) from error
    if not str(checkpoint).endswith(".safetensors"):
        problem = f"its weights are {Path(checkpoint).name}, which is not safetensors"
        raise DataError(message(source, problem, "choose a tag with safetensors, or convert it into a local folder"))
    # openai's weights need the activation they were trained with, which only the tag knows
    quick_gelu = bool(known.get("quick_gelu", False))
    model, _, transform = open_clip.create_model_and_transforms(
        name, pretrained=tag, device=device, force_quick_gelu=quick_gelu
    )
    return LoadedClip(_ready(model), transform, open_clip.get_tokenizer(name), f"{name}/{tag}", _model_hash(model))


def _require_answer(place: str) -> None:
    """Ask the hub once for weights that are not kept here: fetching them, its client would ask again for a minute.

    Args:
        place: ``OWNER/NAME/FILE`` on the hub, without its file where that is the usual one; empty: another server.

    Raises:
        Exception: whatever kept the hub from answering.
    """
    from huggingface_hub import get_hf_file_metadata, hf_hub_url, try_to_load_from_cache
    from huggingface_hub.errors import HfHubHTTPError

    repository, _, file = place.rpartition("/")
    weights = str(Path(file).with_suffix(".safetensors")) if file else WEIGHTS
    if repository and not isinstance(try_to_load_from_cache(repository, weights), str):
        with suppress(HfHubHTTPError):  # an answer, if not the one that was hoped for
            get_hf_file_metadata(hf_hub_url(repository, weights))


def _require_known(source: str, name: str, tag: str) -> None:
    import open_clip

    if name not in open_clip.list_models():
        problem = f"open_clip has no model {name!r}{nearest(name, open_clip.list_models())}"
        raise ConfigError(
            message("retriever.model", problem, f"give {BUILT_IN}NAME/TAG, e.g. {BUILT_IN}ViT-B-32/openai")
        )
    tags = open_clip.list_pretrained_tags_by_model(name)
    if tag not in tags:
        problem = f"{source!r} names no weights of {name}{nearest(tag, tags)}"
        raise ConfigError(message("retriever.model", problem, f"choose one of {', '.join(tags) or 'another model'}"))


def _ready(model: Any) -> Any:
    """Evaluation mode, convolutions laid out channels last: half as fast again on a CPU."""
    import torch

    return model.eval().to(memory_format=torch.channels_last)


def _model_hash(model: Any) -> str:
    total = hashlib.sha256(json.dumps(model.visual.preprocess_cfg, sort_keys=True, default=str).encode())
    for name, tensor in sorted(model.state_dict().items()):
        total.update(name.encode())
        total.update(tensor.detach().cpu().float().contiguous().numpy().tobytes())
    return total.hexdigest()[:16]


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else ''}".rstrip(": ")
