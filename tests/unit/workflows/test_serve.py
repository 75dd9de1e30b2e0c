"""A rewriter served by `transformers serve` behind the gateway rewrites as it does in this process."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from raqo.agents.chat.client import OpenAIChat
from raqo.agents.chat.settings import ChatSettings, FlowSettings
from raqo.agents.rewriter import LocalRewriter, RewriterSettings
from raqo.agents.served_rewriter import served_rewriter
from raqo.config import DataSettings, RunConfig
from raqo.errors import ConfigError, DataError
from raqo.preference_data.sources.settings import SourceSettings
from raqo.sample.weights import BASE_LM_DIR
from raqo.training.settings import TrainingSettings
from raqo.workflows.run_folder import RunFolder
from raqo.workflows.serve import _final_model, serve

SETTINGS = RewriterSettings(max_new_tokens=12)
TEXTS = (
    "a dinghy at sea", "two hounds in the snow", "a crimson automobile by a fir", "an infant near a fence",
    "a tabby beneath a parasol", "three spruces on a hill at dusk", "a boat", "a cat", "a red balloon above a barn",
    "a spotted mare grazing", "a cerulean bicycle", "an azure boat in rain", "someone with an umbrella",
    "a black dog runs", "a <end> b", "{{ query }} {% x %}", "émigré café", "Query: x\nConcepts: y",
    "a picture of a meadow " * 40,
)  # fmt: skip


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    code = "import sys; from pathlib import Path; from raqo.workflows.serve import serve; "
    code += "serve(Path(sys.argv[1]), port=0, engine='transformers', api_key_env='RAQO_TEST_KEY')"
    process = subprocess.Popen([sys.executable, "-c", code, str(BASE_LM_DIR)], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    try:
        yield process.stdout.readline().removeprefix("base_url:").strip()
    finally:
        process.terminate()
        assert process.wait(timeout=300) == 0
        process.stdout.close()


@pytest.fixture(scope="module", autouse=True)
def key() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAQO_TEST_KEY", "only-for-this-test")
        yield


def test_served_rewrites_equal_local_ones(base_url: str) -> None:
    flow = FlowSettings(max_concurrency=4, attempt_timeout_s=900.0, deadline_s=3600.0)
    settings = ChatSettings(
        preset="transformers-serve", model="rewriter", base_url=base_url, api_key_env="RAQO_TEST_KEY", flow=flow
    )
    served = served_rewriter(OpenAIChat(settings), BASE_LM_DIR, settings=SETTINGS)
    local = LocalRewriter(BASE_LM_DIR, settings=SETTINGS)
    assert served.fingerprint == local.fingerprint
    concepts = local.detect(TEXTS)
    assert served.detect(TEXTS) == concepts
    rewrites = local.rewrite(TEXTS, concepts)
    assert served.rewrite(TEXTS, concepts) == rewrites
    assert served.failures == []
    assert sum(map(len, rewrites)) >= len(TEXTS) - 2
    assert rewrites[-1] == []  # too long to be read


def test_wrong_arguments_are_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not a run folder"):
        serve(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(DataError, match="holds no model"):
        serve(tmp_path)
    with pytest.raises(ConfigError, match="RAQO_NO_SUCH_KEY is not set"):
        serve(BASE_LM_DIR, api_key_env="RAQO_NO_SUCH_KEY")
    with pytest.raises(ConfigError, match="is no folder"):
        serve(BASE_LM_DIR, lora_dir=tmp_path / "none")
    with pytest.raises(ConfigError, match="only vLLM can load adapters"):
        serve(BASE_LM_DIR, engine="transformers", lora_dir=tmp_path)


def test_the_model_that_a_run_started_from_need_not_be_there_to_serve_it(tmp_path: Path) -> None:
    folder, training = RunFolder(tmp_path), TrainingSettings(model=str(tmp_path / "gone"))
    folder.save(RunConfig(data=DataSettings(train=SourceSettings(path="a.csv")), training=training, ablations=True))
    with pytest.raises(DataError, match="no trained rewriter"):
        _final_model(tmp_path)
    for stage in ("ccd", "qre", "pro"):
        (folder.models / stage).mkdir(parents=True)
    assert _final_model(tmp_path) == (folder.models / "pro", "float32")
