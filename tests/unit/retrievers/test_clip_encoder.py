from __future__ import annotations

import json
import logging
import os
import shutil
import socket
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from raqo import _torch_threads
from raqo.errors import ConfigError, DataError
from raqo.protocols import Encoder
from raqo.retrievers.clip.encoder import ClipEncoder
from raqo.retrievers.clip.loading import load_clip
from raqo.sample.tokenizer import train_tokenizer
from raqo.testing import write_tiny_clip

TEXTS = ["a red boat", "", "two dogs chase a ball over the grass", "boat", "...", "naïve café 🚲", "word " * 60]


@pytest.fixture(scope="module", params=["byte pairs of open_clip", "tokenizer in the folder"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    tokenizer = None
    if request.param == "tokenizer in the folder":
        tokenizer = train_tokenizer(TEXTS, vocab_size=400, max_length=24, add_start=True)
    return write_tiny_clip(tmp_path_factory.mktemp("clip"), tokenizer=tokenizer)


@pytest.fixture(scope="module")
def encoder(folder: Path) -> ClipEncoder:
    return ClipEncoder.load(f"local-dir:{folder}", batch_size=4)


@pytest.fixture
def pictures(tmp_path: Path) -> list[str]:
    rng, paths = np.random.default_rng(1), [str(tmp_path / f"{row}.png") for row in range(11)]
    for path in paths:
        Image.fromarray(rng.integers(0, 255, (40, 50, 3), dtype=np.uint8)).save(path)
    return paths


def test_texts_equal_a_plain_open_clip_call(folder: Path, encoder: ClipEncoder) -> None:
    clip = load_clip(str(folder), "cpu")
    with torch.no_grad():
        expected = clip.model.encode_text(clip.tokenizer(TEXTS), normalize=True).numpy()
    assert isinstance(encoder, Encoder)
    found = encoder.encode_texts(TEXTS)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=2e-6)


def test_pictures_equal_a_plain_open_clip_call(folder: Path, encoder: ClipEncoder, pictures: list[str]) -> None:
    clip = load_clip(str(folder), "cpu")
    with torch.no_grad():
        pixels = torch.stack([clip.transform(Image.open(path)) for path in pictures])
        expected = clip.model.encode_image(pixels, normalize=True).numpy()
    np.testing.assert_allclose(encoder.encode_images(pictures), expected, atol=2e-6)


def test_vectors_do_not_depend_on_the_batch(folder: Path, pictures: list[str]) -> None:
    many = ClipEncoder.load(str(folder), batch_size=64)
    few = ClipEncoder.load(str(folder), batch_size=3, vector_cache=0)
    one_by_one = np.concatenate([few.encode_texts([text]) for text in TEXTS])
    np.testing.assert_allclose(many.encode_texts(TEXTS), one_by_one, atol=1e-6)
    one_by_one = np.concatenate([few.encode_images([path]) for path in pictures])
    np.testing.assert_allclose(many.encode_images(pictures), one_by_one, atol=1e-6)


def test_order_and_repeats_are_kept(encoder: ClipEncoder, pictures: list[str]) -> None:
    texts = ["b", "a", "b", "a long one with several words", "a"]
    vectors = encoder.encode_texts(texts)
    np.testing.assert_array_equal(vectors[0], vectors[2])
    np.testing.assert_array_equal(vectors[[1, 3]], encoder.encode_texts(["a", texts[3]]))
    vectors = encoder.encode_images([pictures[3], pictures[0], pictures[3]])
    np.testing.assert_array_equal(vectors[0], vectors[2])
    np.testing.assert_allclose(vectors[:2], encoder.encode_images(pictures[:4])[[3, 0]], atol=1e-6)


def test_nothing_to_encode(encoder: ClipEncoder) -> None:
    assert encoder.encode_texts([]).shape == encoder.encode_images([]).shape == (0, 24)
    assert encoder.token_counts([]) == []


def test_the_vector_cache_is_bounded_and_drops_the_least_recently_used(folder: Path) -> None:
    encoder = ClipEncoder.load(str(folder), vector_cache=3)
    encoder.encode_texts(["a", "b", "c"])
    encoder.encode_texts(["a"])
    encoder.encode_texts(["d", "d"])
    assert list(encoder._texts._vectors) == ["c", "a", "d"]
    assert encoder.encode_texts(TEXTS).shape == (len(TEXTS), 24)
    assert len(encoder._texts._vectors) == 3


def test_cached_texts_are_not_encoded_again(encoder: ClipEncoder, monkeypatch: pytest.MonkeyPatch) -> None:
    first = encoder.encode_texts(["seen", "before"])
    monkeypatch.setattr(encoder, "_run", lambda *_: pytest.fail("encoded again"))
    np.testing.assert_array_equal(encoder.encode_texts(["before", "seen"]), first[::-1])


def test_a_picture_is_encoded_again_only_where_its_file_changed(
    encoder: ClipEncoder, pictures: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = (tmp_path / name for name in ("one.bmp", "other.bmp"))
    for copy, picture in ((one, pictures[0]), (other, pictures[1])):
        Image.open(picture).convert("RGB").resize((8, 8)).save(copy)
    path = str(one)
    first = encoder.encode_images([path])
    with monkeypatch.context() as patch:
        patch.setattr(encoder, "_run", lambda *_: pytest.fail("encoded again"))
        np.testing.assert_array_equal(encoder.encode_images([path, path]), first[[0, 0]])
    state = os.stat(path)
    one.write_bytes(other.read_bytes())
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert os.stat(path).st_size == state.st_size
    assert not np.array_equal(encoder.encode_images([path]), first)


def test_token_counts_come_before_truncation(encoder: ClipEncoder) -> None:
    assert encoder.context_length == 24
    empty, boat, long = encoder.token_counts(["", "boat", "boat " * 60])
    assert (empty, boat) == (2, 3)
    assert long == 62


def test_lone_surrogates_are_data_not_a_crash(encoder: ClipEncoder) -> None:
    assert np.isfinite(encoder.encode_texts(["bad \ud800 text"])).all()
    assert encoder.token_counts(["\ud800"])[0] >= 2


def test_an_unreadable_picture_ends_the_call(encoder: ClipEncoder, pictures: list[str], tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.png"):
        encoder.encode_images([*pictures, str(tmp_path / "none.png"), *pictures])


def test_pictures_are_read_ahead_by_little(
    folder: Path, pictures: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder, begun, ahead = ClipEncoder.load(str(folder), batch_size=2), 0, [0]
    many = [shutil.copy(pictures[0], tmp_path / f"copy {row}.png") for row in range(40)]
    decoded: list[int] = []
    run = encoder._run

    def decode(pixels: Any) -> torch.Tensor:
        decoded.append(1)
        return torch.zeros(3, 32, 32)

    def watch(encode: Any, batch: torch.Tensor) -> Any:
        nonlocal begun
        ahead.append(len(decoded) - begun)
        begun += len(batch)
        return run(encode, batch)

    monkeypatch.setattr(_torch_threads, "_threads", lambda: 1)
    monkeypatch.setattr(encoder, "_clip", _with_transform(encoder._clip, decode))
    monkeypatch.setattr(encoder, "_run", watch)
    encoder.encode_images([str(path) for path in many])
    assert len(decoded) == len(many)
    # the batch that begins, one that waits for it, and what is decoded for the next
    assert max(ahead) <= 2 + 2 + (2 + 1)


def _with_transform(clip: Any, transform: Any) -> Any:
    return type(clip)(clip.model, transform, clip.tokenizer, clip.name, clip.weights)


def test_fingerprint_follows_content_not_place(folder: Path, tmp_path: Path) -> None:
    moved = tmp_path / folder.name
    moved.mkdir()
    for path in folder.iterdir():
        (moved / path.name).write_bytes(path.read_bytes())
    (moved / "notes.txt").write_text("not part of the model")
    assert load_clip(str(moved), "cpu").weights == load_clip(str(folder), "cpu").weights
    other = write_tiny_clip(tmp_path / "other", seed=1)
    assert load_clip(str(other), "cpu").weights != load_clip(str(folder), "cpu").weights
    config = json.loads((moved / "open_clip_config.json").read_text())
    config["preprocess_cfg"] = {"mean": [0.1, 0.1, 0.1]}
    (moved / "open_clip_config.json").write_text(json.dumps(config))
    assert load_clip(str(moved), "cpu").weights != load_clip(str(folder), "cpu").weights


def test_pickled_weights_are_refused_and_named(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "pickled"
    copy.mkdir()
    (copy / "open_clip_config.json").write_bytes((folder / "open_clip_config.json").read_bytes())
    (copy / "open_clip_pytorch_model.bin").write_bytes(b"pickle")
    with pytest.raises(DataError, match=r"open_clip_pytorch_model.bin: pickled weights are not loaded.*safetensors"):
        load_clip(f"local-dir:{copy}", "cpu")


@pytest.mark.parametrize("name", ["open_clip_config.json", "open_clip_model.safetensors"])
@pytest.mark.parametrize("damage", ["remove", "truncate"])
def test_a_damaged_model_folder_is_one_clear_error(folder: Path, tmp_path: Path, name: str, damage: str) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in folder.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    if damage == "remove":
        (copy / name).unlink()
    else:
        (copy / name).write_bytes((copy / name).read_bytes()[:100])
    with pytest.raises(DataError, match=name):
        load_clip(f"local-dir:{copy}", "cpu")


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("open_clip:ViT-B-23/openai", "did you mean 'ViT-B-32'"),
        ("open_clip:ViT-B-32/openia", "did you mean 'openai'"),
        ("open_clip:ViT-B-32", "open_clip has no model"),
        ("no/such/folder", "expected open_clip:NAME/TAG"),
    ],
)
def test_unknown_names_are_configuration_errors(source: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load_clip(source, "cpu")


def test_a_missing_folder_is_named() -> None:
    with pytest.raises(DataError, match="no-such-model"):
        load_clip("local-dir:no-such-model", "cpu")


@pytest.fixture
def built_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model that open_clip knows by name, its weights already downloaded."""
    import huggingface_hub
    import open_clip

    config = json.loads((folder / "open_clip_config.json").read_text())["model_cfg"]
    config["text_cfg"].pop("hf_tokenizer_name", None)
    weights = folder / "open_clip_model.safetensors"
    monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, "tiny", config)
    tag = {"url": "", "hf_hub": "raqo/tiny/", "quick_gelu": True, "mean": (0.1, 0.1, 0.1)}
    monkeypatch.setitem(open_clip.pretrained._PRETRAINED, "tiny", {"openai": tag})
    for module in (open_clip, open_clip.factory):
        monkeypatch.setattr(module, "download_pretrained", lambda *_, **__: str(weights))
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *_: str(weights))
    return weights


@pytest.mark.filterwarnings("error:QuickGELU mismatch")
def test_built_in_models_get_the_activation_and_colours_of_their_tag(built_in: Path) -> None:
    loaded = load_clip("open_clip:tiny/openai", "cpu")
    assert loaded.name == "tiny/openai"
    assert "QuickGELU" in {type(module).__name__ for module in loaded.model.modules()}
    assert loaded.model.visual.preprocess_cfg["mean"] == (0.1, 0.1, 0.1)
    assert not loaded.model.training


def test_built_in_weights_that_are_not_safetensors_are_refused(built_in: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import open_clip

    monkeypatch.setattr(open_clip, "download_pretrained", lambda *_, **__: "weights.pt")
    with pytest.raises(DataError, match=r"weights\.pt, which is not safetensors"):
        load_clip("open_clip:tiny/openai", "cpu")


def test_without_network_the_error_comes_without_waiting_and_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        closed = f"http://127.0.0.1:{server.getsockname()[1]}"
    place = closed + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", place)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("time.sleep", lambda _: pytest.fail("waited to ask again"))
    with pytest.raises(DataError, match=r"cannot be downloaded \(ConnectError.*local-dir"):
        load_clip("open_clip:ViT-B-32/openai", "cpu")


def test_loading_says_nothing(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        ClipEncoder.load(str(folder)).token_counts(["word " * 500])
    assert not caplog.records
