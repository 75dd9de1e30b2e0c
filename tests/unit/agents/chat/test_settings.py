from __future__ import annotations

from typing import Any

import pytest

from raqo import config_loader
from raqo.agents.chat.settings import PRESETS, Capabilities, ChatSettings, FlowSettings, Price
from raqo.errors import ConfigError

WHOLE = """
preset: transformers-serve
model: folder/model
base_url: http://127.0.0.1:8124/v1
api_key_env: TOKEN
capabilities: {n: false, structured_output: true, images: true, logprobs: false}
flow: {max_concurrency: 16, requests_per_minute: 500, deadline_s: 1e2}
prices:
  folder/model: {prompt: 0.15, completion: 0.6}
"""


def test_settings_are_read_from_yaml_and_written_back(tmp_path: Any) -> None:
    path = tmp_path / "chat.yaml"
    path.write_text(WHOLE)
    settings = config_loader.load(ChatSettings, path)
    assert settings.flow == FlowSettings(max_concurrency=16, requests_per_minute=500, deadline_s=100.0)
    assert settings.price == Price(prompt=0.15, completion=0.6)
    assert settings.can == Capabilities(n=False, structured_output=True, images=True, logprobs=False)
    path.write_text(config_loader.dump(settings))
    assert config_loader.load(ChatSettings, path) == settings


def test_presets_give_the_defaults() -> None:
    openai, serve = ChatSettings(model="m"), ChatSettings(model="m", preset="transformers-serve")
    assert (openai.url, openai.key_env) == ("https://api.openai.com/v1", "OPENAI_API_KEY")
    assert (serve.key_env, serve.can.n, serve.can.structured_output) == ("", False, False)
    assert [openai.is_openai, serve.is_openai] == [True, False]
    assert ChatSettings(model="m", api_key_env="").key_env == ""
    assert set(PRESETS) == {"openai", "vllm", "transformers-serve", "in-process"}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"preset": "vlm"}, "did you mean 'vllm'"),
        ({"model": " "}, "chat.model"),
        ({"image_tokens": -1}, "image_tokens"),
        ({"base_url": "127.0.0.1:8000"}, "http"),
        ({"base_url": "ftp://host/v1"}, "http"),
        ({"base_url": "http://host:port/v1"}, "not an address"),
        ({"base_url": "http://user:hunter2@host/v1"}, "credentials"),
        ({"base_url": "http://host/v1?api_key=hunter2"}, "credentials"),
    ],
)
def test_wrong_settings_fail_early_and_repeat_no_secret(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words) as error:
        ChatSettings(**{"model": "m", **changes})
    assert "hunter2" not in str(error.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"max_concurrency": 0},
        {"start_concurrency": 0},
        {"requests_per_minute": 0},
        {"tokens_per_minute": -1},
        {"max_attempts": 0},
        {"attempt_timeout_s": 0},
        {"deadline_s": -1},
        {"max_wait_s": -1},
    ],
)
def test_wrong_flow_settings_are_named(changes: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"flow.{next(iter(changes))}"):
        FlowSettings(**changes)


def test_prices_are_amounts() -> None:
    with pytest.raises(ConfigError, match=r"price\.completion"):
        Price(prompt=1.0, completion=-1.0)
