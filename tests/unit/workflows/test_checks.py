"""`raqo check` looks at everything and fetches nothing."""

from __future__ import annotations

import pytest

from raqo.config import DataSettings, RunConfig
from raqo.preference_data.sources.settings import SourceSettings
from raqo.training.settings import TrainingSettings
from raqo.workflows.checks import say_doubts
from raqo.workflows.parts import Parts


def parts(model: str) -> Parts:
    data = DataSettings(train=SourceSettings(path="my.csv"))
    return Parts(RunConfig(data=data, training=TrainingSettings(model=model)))


@pytest.mark.parametrize("model", ["gpt2", "Qwen/Qwen2.5-0.5B"])
def test_a_model_of_the_hub_is_named_and_not_fetched(
    model: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda *_, **__: pytest.fail("fetched"))
    say_doubts(parts(model), {})
    assert f"{model} is no folder here" in capsys.readouterr().err


def test_nothing_is_said_of_a_model_that_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    say_doubts(parts("sample"), {})
    assert capsys.readouterr().err == ""
