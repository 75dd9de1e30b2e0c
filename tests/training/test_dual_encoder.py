from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from dual_toy import QUESTION, SHAPE, TEXTS
from PIL import Image

from raqo.errors import ConfigError, DataError
from raqo.retrievers.dual.folder import load_dual, open_pretrained, save_dual
from raqo.retrievers.dual.vilt_patches import embed_patches
from raqo.training.dual.settings import DualSettings, DualShape
from raqo.training.dual.start import new_dual, write_start


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("dual") / "start"
    write_start(DualSettings(shape=SHAPE), TEXTS.values(), path)
    return path


def test_the_query_vector_is_the_pooler_of_vilt_whatever_the_sizes(tmp_path: Path) -> None:
    """Wide and high pictures in one batch: padded, positions stretched, and equal to the model's own embedding."""
    torch.manual_seed(1)
    model, inputs = new_dual(SHAPE, TEXTS.values())
    model.query.embeddings.position_embeddings.data.normal_()
    paths = []
    for number, size in enumerate([(16, 16), (40, 16), (16, 30)]):
        paths.append(str(tmp_path / f"{number}.png"))
        Image.effect_noise(size, 90).convert("RGB").save(paths[-1])
    batch = inputs.questions(["a thing", "", "what is it now"], paths)
    assert batch["pixel_values"].shape == (3, 3, 24, 24)  # 40 x 16 is cut to the longest side that ViLT reads
    expected = model.eval().query(**batch)
    found = model.encode_questions(batch)
    assert torch.allclose(found, expected.pooler_output, atol=1e-5)
    dense, first = model.query.pooler.dense, expected.last_hidden_state[:, 0]
    assert torch.allclose(found, torch.tanh(first @ dense.weight.T + dense.bias), atol=1e-5)
    assert torch.allclose(found, model.encode_questions(batch), atol=1e-5)


def test_a_question_without_picture_is_read_alone_and_beside_others(pictures: dict[str, str]) -> None:
    model, inputs = new_dual(SHAPE, TEXTS.values())
    model.eval()
    together = model.encode_questions(inputs.questions([QUESTION, QUESTION], [None, pictures["red"]]))
    alone = model.encode_questions(inputs.questions([QUESTION], [None]))
    assert torch.allclose(together[0], alone[0], atol=1e-5)
    assert not torch.allclose(together[0], together[1], atol=1e-4)
    patches, mask = embed_patches(model.query, torch.zeros(1, 3, 8, 8), torch.zeros(1, 8, 8))
    assert (patches.shape, mask.tolist()) == ((1, 2, SHAPE.hidden), [[0, 0]])


def test_the_passage_vector_is_the_first_state_of_bert_and_the_score_their_inner_product() -> None:
    model, inputs = new_dual(SHAPE, TEXTS.values())
    model.eval()
    passages = inputs.passages(list(TEXTS.values()))
    states = model.knowledge(**passages).last_hidden_state
    assert torch.allclose(model.encode_passages(passages), states[:, 0], atol=1e-5)
    questions = inputs.questions(["a", "red"], [None, None])
    scores = model(questions, passages)
    assert scores.shape == (2, 4)
    own = model.encode_questions(questions)[1] @ states[2, 0]
    assert scores[1, 2].item() == pytest.approx(own.item(), abs=1e-5)


def test_a_saved_one_is_the_same_and_either_half_loads_with_transformers_alone(folder: Path, tmp_path: Path) -> None:
    from transformers import AutoTokenizer, BertModel, ViltModel

    loaded = load_dual(folder)
    hashed = save_dual(loaded.model, loaded.inputs, tmp_path / "copy", made_from={})
    again = load_dual(tmp_path / "copy")
    assert again.weights == hashed == loaded.weights
    batch = loaded.inputs.questions(["red things"], [None])
    passages = again.inputs.passages(["red things"])
    assert torch.allclose(loaded.model.eval()(batch, passages), again.model.eval()(batch, passages), atol=1e-5)
    assert ViltModel.from_pretrained(folder / "query").config.hidden_size == SHAPE.hidden
    assert BertModel.from_pretrained(folder / "knowledge").config.hidden_size == SHAPE.hidden
    assert len(AutoTokenizer.from_pretrained(folder / "query")) == len(loaded.inputs.question_tokenizer)
    assert {path.suffix for path in folder.rglob("*") if path.is_file()} == {".json", ".safetensors"}


def test_from_two_checkpoints(folder: Path, tmp_path: Path) -> None:
    lengths = {"question_length": 10, "passage_length": 12}
    put_together = open_pretrained(str(folder / "query"), str(folder / "knowledge"), **lengths)
    assert put_together.inputs.passages(["red " * 50])["input_ids"].shape == (1, 12)
    with pytest.raises(ConfigError, match="question_length.*3 to 12, as the model has positions, got 13"):
        open_pretrained(str(folder / "query"), str(folder / "knowledge"), question_length=13, passage_length=12)
    wider = DualShape(hidden=32, layers=1, heads=2, image_size=16, patch_size=8, vocabulary=100)
    write_start(DualSettings(shape=wider), TEXTS.values(), tmp_path / "wide")
    with pytest.raises(ConfigError, match="16 wide and the knowledge encoder 32"):
        open_pretrained(str(folder / "query"), str(tmp_path / "wide" / "knowledge"), **lengths)
    with pytest.raises(ConfigError, match=r"no folder '\./nothing'"):
        open_pretrained("./nothing", str(folder / "knowledge"), **lengths)
    with pytest.raises(DataError, match="not a dual encoder"):
        open_pretrained(str(folder / "knowledge"), str(tmp_path), **lengths)


@pytest.mark.parametrize("damage", ["cut", "missing", "added", "manifest"])
def test_a_folder_that_was_changed_is_refused(damage: str, folder: Path, tmp_path: Path) -> None:
    loaded = load_dual(folder)
    save_dual(loaded.model, loaded.inputs, tmp_path, made_from={})
    weights = tmp_path / "query" / "model.safetensors"
    if damage == "cut":
        weights.write_bytes(weights.read_bytes()[:-1])
    elif damage == "missing":
        weights.unlink()
    elif damage == "added":
        (tmp_path / "query" / "pytorch_model.bin").write_bytes(b"x")
    else:
        (tmp_path / "dual.json").write_text(json.dumps({"format": 99}))
    with pytest.raises(DataError, match="not a whole dual encoder"):
        load_dual(tmp_path)


@pytest.mark.parametrize("wrong", [{"heads": 3}, {"patch_size": 5}, {"layers": 0}, {"passage_length": 2}])
def test_shapes_that_cannot_be(wrong: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match=f"dual.shape.{next(iter(wrong))}"):
        DualShape(**{"hidden": 16, "image_size": 16, "patch_size": 8, "heads": 2, **wrong})


def test_one_checkpoint_alone_is_refused() -> None:
    with pytest.raises(ConfigError, match="both models to start from, or none"):
        DualSettings(query="dandelin/vilt-b32-mlm")
