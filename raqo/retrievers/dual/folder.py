"""A dual encoder as one folder: two checkpoints of transformers and a manifest with their hashes. Safetensors only.

``query/`` is a ViLT and ``knowledge/`` a BERT, each with configuration, weights and tokenizer, so that either loads
with transformers alone.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from raqo._transformers import quiet_transformers
from raqo.errors import ConfigError, DataError, message
from raqo.files import write_json
from raqo.retrievers.dual.encoder import DualEncoder
from raqo.retrievers.dual.inputs import DualInputs

QUERY, KNOWLEDGE, MANIFEST = "query", "knowledge", "dual.json"
FORMAT = 1
_FETCHED = ["*.safetensors", "*.json", "*.txt"]


@dataclass(frozen=True, slots=True)
class LoadedDual:
    """A dual encoder with what belongs to it.

    Attributes:
        name: of its folder, without any path of this machine.
        weights: hash of the files that decide its vectors; empty for one that was put together from two checkpoints.
    """

    model: DualEncoder
    inputs: DualInputs
    name: str
    weights: str


def save_dual(model: DualEncoder, inputs: DualInputs, folder: Path, *, made_from: Mapping[str, Any]) -> str:
    """Write a dual encoder and return the hash of the files that decide its vectors.

    Args:
        model: the two encoders.
        inputs: their tokenizers and picture settings.
        folder: made where missing.
        made_from: kept in the manifest; says how the weights came about.
    """
    with quiet_transformers():
        model.query.save_pretrained(folder / QUERY)
        model.knowledge.save_pretrained(folder / KNOWLEDGE)
        inputs.save(folder / QUERY, folder / KNOWLEDGE)
    files = _hashes(folder)
    lengths = {"question_length": inputs.question_length, "passage_length": inputs.passage_length}
    write_json(folder / MANIFEST, {"format": FORMAT, **lengths, "files": files, "made_from": dict(made_from)})
    return _total(files, lengths)


def load_dual(folder: Path) -> LoadedDual:
    """Load what `save_dual` wrote.

    Raises:
        DataError: it is not such a folder, or a file in it was changed.
    """
    record = read_record(folder)
    lengths = _lengths(record)
    model, inputs = _put_together(folder / QUERY, folder / KNOWLEDGE, **lengths)
    return LoadedDual(model, inputs, folder.resolve().name, _total(record["files"], lengths))


def open_pretrained(query: str, knowledge: str, *, question_length: int, passage_length: int) -> LoadedDual:
    """Put a dual encoder together from two checkpoints: folders, or names on the hub (fetched if not in its cache).

    Args:
        query: a ViLT with or without a head, e.g. ``dandelin/vilt-b32-mlm``.
        knowledge: a BERT of the same width, e.g. ``bert-base-uncased``.
        question_length: tokens of a question, at most what the ViLT has positions for.
        passage_length: tokens of a passage, at most what the BERT has positions for.

    Raises:
        ConfigError: a name that is neither, other widths, or a length beyond the positions.
        DataError: files that do not fit together.
    """
    model, inputs = _put_together(
        _location(query), _location(knowledge), question_length=question_length, passage_length=passage_length
    )
    return LoadedDual(model, inputs, f"{Path(query).name}+{Path(knowledge).name}", "")


def weights_of(folder: Path) -> str:
    """Hash of a dual encoder's files, without loading it.

    Raises:
        DataError: it is not such a folder, or a file in it was changed.
    """
    record = read_record(folder)
    return _total(record["files"], _lengths(record))


def _put_together(
    query: Path, knowledge: Path, *, question_length: int, passage_length: int
) -> tuple[DualEncoder, DualInputs]:
    from transformers import AutoTokenizer, BertModel, ViltModel
    from transformers.models.vilt.image_processing_pil_vilt import ViltImageProcessorPil

    local: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    try:
        with quiet_transformers():
            vilt = ViltModel.from_pretrained(query, use_safetensors=True, **local)
            bert = BertModel.from_pretrained(knowledge, use_safetensors=True, add_pooling_layer=False, **local)
            tokenizers = [AutoTokenizer.from_pretrained(one, **local) for one in (query, knowledge)]
            pictures = ViltImageProcessorPil.from_pretrained(query, local_files_only=True)
    except Exception as error:  # whatever transformers, safetensors or tokenizers say about files that do not fit
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        fix = "give checkpoints of ViLT and BERT with config.json, tokenizer and *.safetensors"
        raise DataError(message(f"{query}, {knowledge}", f"not a dual encoder ({reason})", fix)) from error
    _check(vilt.config, bert.config, question_length, passage_length)
    questions, passages = tokenizers
    inputs = DualInputs(questions, passages, pictures, question_length=question_length, passage_length=passage_length)
    return DualEncoder(vilt, bert), inputs


def _check(vilt: Any, bert: Any, question_length: int, passage_length: int) -> None:
    if vilt.hidden_size != bert.hidden_size:
        problem = f"the query encoder is {vilt.hidden_size} wide and the knowledge encoder {bert.hidden_size}"
        raise ConfigError(message("dual encoder", problem, "choose two of the same width"))
    for name, length, limit in (
        ("question_length", question_length, vilt.max_position_embeddings),
        ("passage_length", passage_length, bert.max_position_embeddings),
    ):
        if not 2 < length <= limit:
            fix = "correct the length"
            raise ConfigError(message(name, f"expected 3 to {limit}, as the model has positions, got {length}", fix))


def _location(name: str) -> Path:
    if Path(name).is_dir():
        return Path(name)
    if not name or name.startswith((".", "/", "~")):
        raise ConfigError(message("dual encoder", f"no folder {name!r}", "give a folder or a Hugging Face name"))
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, allow_patterns=_FETCHED))
    except Exception as error:
        problem = f"{name!r} is neither a folder nor available from Hugging Face ({type(error).__name__}: {error})"
        raise ConfigError(message("dual encoder", problem, "give a folder or a Hugging Face name")) from error


def read_record(folder: Path) -> dict[str, Any]:
    """Read the manifest of a dual encoder, after holding every file against its hash there.

    Raises:
        DataError: it is no such folder, or a file in it was changed.
    """
    try:
        record = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        if record["format"] != FORMAT:
            raise ValueError(f"format {record['format']} instead of {FORMAT}")
        found = _hashes(folder)
        changed = sorted(name for name in {*record["files"], *found} if record["files"].get(name) != found.get(name))
        if changed:
            raise ValueError(f"missing or changed: {', '.join(changed)}")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        problem = f"not a whole dual encoder ({type(error).__name__}: {error})"
        raise DataError(message(str(folder), problem, "give the folder of a trained one, or train it again")) from error
    return dict(record)


def _lengths(record: Mapping[str, Any]) -> dict[str, int]:
    return {name: int(record[name]) for name in ("question_length", "passage_length")}


def _hashes(folder: Path) -> dict[str, str]:
    paths = sorted(path for part in (QUERY, KNOWLEDGE) for path in (folder / part).glob("*") if path.is_file())
    return {f"{path.parent.name}/{path.name}": _sha256(path) for path in paths}


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _total(files: Mapping[str, str], lengths: Mapping[str, int]) -> str:
    # tokenizer_config.json also tells where a tokenizer was loaded from; what it does is in tokenizer.json
    deciding = {name: digest for name, digest in files.items() if not name.endswith("tokenizer_config.json")}
    return hashlib.sha256(json.dumps([deciding, lengths], sort_keys=True).encode()).hexdigest()[:16]
