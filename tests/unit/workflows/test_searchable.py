"""A data set and its retriever stay together."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from raqo.config import DataSettings, RunConfig
from raqo.preference_data.sources.settings import SourceSettings
from raqo.retrievers.settings import RetrieverSettings
from raqo.workflows.parts import Parts


def test_pictures_that_change_meanwhile_do_not_part_a_data_set_from_its_retriever(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a", "b"):
        Image.new("RGB", (32, 32), "red").save(tmp_path / f"{name}.png")
    (tmp_path / "torn.png").write_bytes(b"no picture")
    (tmp_path / "my.csv").write_text("image,caption\na.png,a red boat\nb.png,a sea\ntorn.png,a dog\n")
    source = SourceSettings(path=str(tmp_path / "my.csv"), on_error="skip")
    made = Parts(
        RunConfig(
            data=DataSettings(train=source),
            retriever=RetrieverSettings(model="sample"),
            cache_dir=str(tmp_path / "cache"),
        )
    )
    first = made.searchable("train")
    Image.new("RGB", (32, 32), "blue").save(tmp_path / "torn.png")
    dataset, retriever = made.searchable("train")
    assert (dataset, retriever) == first
    assert len(dataset.documents) == retriever.size == 2
    assert capsys.readouterr().err.count("left out 1 pictures") == 1
