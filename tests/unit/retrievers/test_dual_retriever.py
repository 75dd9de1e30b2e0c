from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from raqo.errors import ConfigError, DataError
from raqo.records import Document, Query
from raqo.retrievers.build import Encoders, build_retriever, model_fingerprint
from raqo.retrievers.dual.folder import load_dual
from raqo.retrievers.dual.retriever import DualQuestionEncoder
from raqo.retrievers.settings import RetrieverSettings
from raqo.training.dual.settings import DualSettings, DualShape
from raqo.training.dual.start import write_start

TEXTS = ["a red boat", "a dog by the sea", "an old house", "a red boat", "the fir tree stands on a hill and waits"]
DOCUMENTS = [Document(f"d{row}", text=text) for row, text in enumerate(TEXTS)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("dual")
    shape = DualShape(
        hidden=16, layers=1, heads=2, image_size=16, patch_size=8, vocabulary=120, question_length=10, passage_length=16
    )
    write_start(DualSettings(shape=shape), TEXTS, path)
    return path


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("pictures") / "red.png"
    Image.new("RGB", (24, 16), (200, 10, 10)).save(path)
    return str(path)


def test_scores_are_the_inner_products_of_the_two_encoders(folder: Path, picture: str, tmp_path: Path) -> None:
    loaded = load_dual(folder)
    with torch.inference_mode():
        questions = loaded.inputs.questions(["what?", "what?", ""], [picture, None, picture])
        expected = loaded.model.eval()(questions, loaded.inputs.passages(TEXTS)).numpy()
    retriever = build_retriever(RetrieverSettings(kind="dual", model=str(folder)), DOCUMENTS, index_dir=tmp_path)
    asked = [Query("both", "what?", picture), Query("text", "what?"), Query("picture", image=picture)]
    for row, ranking in enumerate(retriever.search(asked, k=5)):
        found = {hit.doc_id: hit.score for hit in ranking.hits}
        np.testing.assert_allclose([found[f"d{at}"] for at in range(5)], expected[row], rtol=1e-4, atol=1e-5)
        assert found["d0"] == found["d3"]
    assert abs(expected[0] - expected[1]).max() > 1e-3
    np.testing.assert_allclose(retriever.similarity(asked, ["d0", "d1", "d2"]), np.diag(expected), rtol=1e-4, atol=1e-5)


def test_what_it_reads_and_what_it_is(folder: Path, tmp_path: Path) -> None:
    settings, encoders = RetrieverSettings(kind="dual", model=str(folder)), Encoders()
    retriever = build_retriever(settings, DOCUMENTS, index_dir=tmp_path, encoders=encoders)
    assert retriever.fits(["boat " * 8, "boat " * 9]) == [True, False]
    encoder = encoders.dual(settings)
    assert encoder is encoders.dual(settings)
    assert encoder.fingerprint == f"{folder.name}@{load_dual(folder).weights}"
    assert model_fingerprint(settings, encoders) == f"dual-{encoder.fingerprint}"
    assert retriever.search([Query("lone", "a \ud800 boat")], k=1)[0].hits
    asking = build_retriever(
        RetrieverSettings(kind="dual", model=str(folder), query_prefix="dog "), DOCUMENTS, index_dir=tmp_path
    )
    assert asking.fingerprint != retriever.fingerprint
    plain = {hit.doc_id: hit.score for hit in retriever.search([Query("q", "dog sea")], k=9)[0].hits}
    assert {hit.doc_id: hit.score for hit in asking.search([Query("q", "sea")], k=9)[0].hits} == pytest.approx(
        plain, rel=1e-4, abs=1e-5
    )


def test_batches_give_the_same_vectors(folder: Path) -> None:
    wide, narrow = (DualQuestionEncoder.load(str(folder), device="cpu", batch_size=size) for size in (32, 2))
    np.testing.assert_allclose(wide.encode_texts(TEXTS), narrow.encode_texts(TEXTS), atol=1e-5)
    queries = [Query(text, text) for text in TEXTS]
    np.testing.assert_allclose(wide.encode_queries(queries), narrow.encode_queries(queries), atol=1e-5)
    assert wide.encode_texts([]).shape == wide.encode_queries([]).shape == (0, 16)


def test_what_it_refuses(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="the folder of a trained dual encoder"):
        RetrieverSettings(kind="dual")
    with pytest.raises(DataError, match="not a whole dual encoder"):
        build_retriever(RetrieverSettings(kind="dual", model=str(tmp_path)), DOCUMENTS, index_dir=tmp_path)
    retriever = build_retriever(RetrieverSettings(kind="dual", model=str(folder)), DOCUMENTS, index_dir=tmp_path)
    with pytest.raises(DataError, match="gone.png"):
        retriever.search([Query("q", "what?", str(tmp_path / "gone.png"))], k=1)
    Image.new("RGB", (900, 2)).save(tmp_path / "thread.png")
    with pytest.raises(DataError, match="less narrow"):
        retriever.search([Query("q", "what?", str(tmp_path / "thread.png"))], k=1)
    with pytest.raises(DataError, match="got a picture"):
        build_retriever(
            RetrieverSettings(kind="dual", model=str(folder)), [Document("d", image="x.png")], index_dir=tmp_path
        )
