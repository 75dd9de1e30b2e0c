from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from raqo import config_loader
from raqo.errors import ConfigError
from raqo.records import Document, Query
from raqo.retrievers.build import Encoders, build_encoder, build_retriever, model_fingerprint
from raqo.retrievers.settings import CLIP_MODEL, SENTENCE_MODEL, RetrieverSettings
from raqo.testing import write_tiny_clip

DOCUMENTS = [Document(str(row), text=text) for row, text in enumerate(("red boat", "blue dog", "green tree"))]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"local-dir:{write_tiny_clip(tmp_path_factory.mktemp('clip'))}"


def test_a_hybrid_from_nested_settings(clip: str, tmp_path: Path) -> None:
    settings = config_loader.load(
        RetrieverSettings,
        {
            "kind": "hybrid",
            "fusion": {"method": "sum", "weights": [0.7, 0.3]},
            "parts": [{"kind": "bm25", "k1": 1.2}, {"kind": "clip", "model": clip, "batch_size": 4, "index": "hnsw"}],
        },
    )
    encoders = Encoders()
    retriever = build_retriever(settings, DOCUMENTS, index_dir=tmp_path, encoders=encoders)
    assert retriever.search([Query("q", "a blue dog")], k=1)[0].hits[0].doc_id == "1"
    assert sorted(path.name.split("-")[0] for path in tmp_path.iterdir()) == ["bm25", "clip", "hnsw"]
    assert encoders.clip(settings.parts[1]) is encoders.clip(settings.parts[1])
    again = config_loader.load(RetrieverSettings, yaml.safe_load(config_loader.dump(settings)))
    assert again == settings
    assert build_retriever(again, DOCUMENTS, index_dir=tmp_path, encoders=encoders).fingerprint == retriever.fingerprint


def test_models_are_shared_by_what_they_are_loaded_with(clip: str) -> None:
    encoders = Encoders()
    first = RetrieverSettings(kind="clip", model=clip, batch_size=4)
    other_index = RetrieverSettings(kind="clip", model=clip, batch_size=4, index="lsh", image_weight=0.5)
    assert encoders.clip(first) is encoders.clip(other_index)
    assert encoders.clip(first) is not encoders.clip(RetrieverSettings(kind="clip", model=clip, batch_size=8))
    dense, lsh = RetrieverSettings(kind="dense"), RetrieverSettings(kind="lsh")
    assert encoders.sentence(dense) is encoders.sentence(lsh)
    assert encoders.sentence(dense) is not encoders.sentence(RetrieverSettings(kind="dense", model="other"))


def test_every_kind_says_what_queries_are_aligned_to(clip: str) -> None:
    encoders = Encoders()
    clip_part, bm25 = RetrieverSettings(kind="clip", model=clip), RetrieverSettings(kind="bm25")
    assert model_fingerprint(clip_part, encoders) == build_encoder(clip_part).fingerprint
    assert model_fingerprint(bm25, encoders) == "bm25-k1=0.9-b=0.4"
    hybrid = RetrieverSettings(kind="hybrid", parts=(bm25, clip_part))
    assert model_fingerprint(hybrid, encoders) == f"rrf(bm25-k1=0.9-b=0.4+{build_encoder(clip_part).fingerprint})"


def test_the_model_by_kind_where_none_is_named() -> None:
    assert RetrieverSettings().model == RetrieverSettings(kind="bm25").model == CLIP_MODEL
    assert RetrieverSettings(kind="dense").model == RetrieverSettings(kind="lsh").model == SENTENCE_MODEL
    assert RetrieverSettings(kind="dense", model="x").model == "x"


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"kind": "hybrd"}, "did you mean 'hybrid'"),
        ({"kind": "dense", "index": "hsnw"}, "did you mean 'hnsw'"),
        ({"kind": "bm25", "engine": "bm25"}, "did you mean 'bm25s'"),
        ({"kind": "lsh", "lsh": {"table": 3}}, "did you mean 'tables'"),
        ({"kind": "hybrid"}, "parts: expected two or more retrievers, got 0"),
        ({"kind": "hybrid", "parts": [{"kind": "bm25"}]}, "two or more retrievers, got 1"),
        ({"kind": "bm25", "parts": [{"kind": "bm25"}]}, "expected none, as only kind hybrid has them"),
        ({"kind": "clip", "image_weight": 1.5}, "image_weight: expected 0 to 1, got 1.5"),
        (
            {"kind": "hybrid", "parts": [{"kind": "bm25"}, {"kind": "dense"}], "fusion": {"weights": [1]}},
            "fusion.weights: expected one for each of 2 parts, got 1",
        ),
    ],
)
def test_wrong_settings(values: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        config_loader.load(RetrieverSettings, values)


@pytest.mark.parametrize(("name", "value"), [("kind", "dens"), ("index", "flt"), ("engine", "bm2s")])
def test_unknown_names_in_python(name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=rf"retriever\.{name}: expected .*did you mean"):
        RetrieverSettings(**{name: value})  # type: ignore[arg-type]
