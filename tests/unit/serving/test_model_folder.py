"""A model folder as the engines see it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from raqo.agents.raw_prompts import MARK
from raqo.errors import DataError
from raqo.sample.weights import BASE_LM_DIR
from raqo.serving.model_folder import linked_model
from raqo.training.models import load_model, load_tokenizer, save_model


def listing(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_model_that_raqo_saved_is_linked_as_it_is(tmp_path: Path) -> None:
    saved = tmp_path / "saved"
    tokenizer = load_tokenizer(BASE_LM_DIR)
    save_model(load_model(BASE_LM_DIR, dtype="float32", lora=None), tokenizer, saved)
    stops = json.loads((saved / "generation_config.json").read_text())["eos_token_id"]
    assert stops == [tokenizer.eos_token_id, tokenizer("\n")["input_ids"][-1]]
    with linked_model(saved) as place:
        assert (place / "rewriter").resolve() == saved.resolve()
    assert not place.exists()
    assert saved.exists()


def test_another_model_gets_plain_prompts_and_stays_what_it_was(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(BASE_LM_DIR, folder)
    (folder / "chat_template.jinja").write_text("<start>{{ messages[0]['content'] }}")
    (folder / "pytorch_model.bin").write_bytes(b"a pickle")
    (folder / "modeling.py").write_text("raise SystemExit")
    before = listing(folder)
    with linked_model(folder) as place:
        seen = place / "rewriter"
        assert (seen / "chat_template.jinja").read_text().startswith(MARK)
        assert (seen / "model.safetensors").resolve() == (folder / "model.safetensors").resolve()
        assert len(json.loads((seen / "generation_config.json").read_text())["eos_token_id"]) == 2
        assert {"pytorch_model.bin", "modeling.py"}.isdisjoint(path.name for path in seen.iterdir())
    assert listing(folder) == before


def test_a_folder_without_safetensors_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(DataError, match="holds no model"), linked_model(tmp_path):
        pass
