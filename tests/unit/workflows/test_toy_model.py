"""Who trains the sample's small model on data of their own is told so."""

from __future__ import annotations

import pytest

from raqo.config import DataSettings, RunConfig
from raqo.preference_data.sources.settings import SourceSettings
from raqo.training.settings import TrainingSettings
from raqo.workflows.toy_model import say_toy


@pytest.mark.parametrize(
    ("path", "model", "warned"),
    [("my.csv", "sample", True), ("sample", "sample", False), ("my.csv", "Qwen/Qwen2.5-0.5B", False)],
)
def test_the_toy_is_named_where_it_meets_own_data(
    capsys: pytest.CaptureFixture[str], path: str, model: str, warned: bool
) -> None:
    data = DataSettings(train=SourceSettings(path=path))
    say_toy(RunConfig(data=data, training=TrainingSettings(model=model)))
    assert capsys.readouterr().err.count("is `sample`, a toy") == warned
