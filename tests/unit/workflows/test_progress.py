"""Bars for what takes long."""

from __future__ import annotations

from pathlib import Path

import pytest

from raqo.config import DataSettings, RunConfig
from raqo.preference_data.sources.settings import SourceSettings
from raqo.workflows.parts import Parts
from raqo.workflows.progress import late_bar


def test_a_late_bar_is_not_there_before_there_is_work(capsys: pytest.CaptureFixture[str]) -> None:
    with late_bar("draw", "pictures"):
        pass
    assert capsys.readouterr().err == ""
    with late_bar("draw", "pictures") as move:
        for done in (3, 4, 5):
            move(done, 5)
    told = capsys.readouterr().err
    assert "2/5" in told  # what was done before is not counted as fast work
    assert "5/5" in told


def test_drawing_the_sample_has_a_bar_and_drawn_pictures_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = DataSettings(train=SourceSettings(path="sample", split="train", limit=4))
    config = RunConfig(data=data, cache_dir=str(tmp_path))
    assert len(Parts(config).dataset("train").documents) == 4
    told = capsys.readouterr().err
    assert "draw train" in told
    assert "4/4" in told
    Parts(config).dataset("train")
    assert capsys.readouterr().err == ""
