from __future__ import annotations

import dataclasses
import importlib.metadata
import json
import socket
from typing import Any

import pytest

from raqo.errors import ConfigError
from raqo.testing_server import ChatServer
from raqo.workflows import installation
from raqo.workflows.doctor import examine
from raqo.workflows.findings import Finding, table


@pytest.fixture(scope="module")
def findings() -> list[Finding]:
    return examine()


def by_name(findings: list[Finding]) -> dict[str, Finding]:
    return {finding.name: finding for finding in findings}


def test_this_environment_is_well_and_every_trouble_has_its_fix(findings: list[Finding]) -> None:
    assert [finding for finding in findings if finding.state == "bad"] == []
    assert all(finding.found and (finding.fix or finding.state == "ok") for finding in findings)
    expected = {
        "python",
        "raqo",
        "torch",
        "torch build",
        "torchvision",
        "transformers",
        "trl",
        "peft",
        "trl.SFTTrainer",
    }
    expected |= {"open-clip-torch", "faiss build", "bm25s", "sentence-transformers", "langgraph", "openai", "vllm"}
    expected |= {"transformers.Trainer", "serving", "cpu", "memory", "disk", "WordNet"}
    assert expected <= set(by_name(findings))
    assert by_name(findings)["trl"].found == importlib.metadata.version("trl")


def test_findings_are_shown_as_lines_and_as_json(findings: list[Finding]) -> None:
    lines = table([*findings, Finding("x", "warn", "something", "mend it")]).splitlines()
    assert lines[-2].split()[:2] == ["warn", "x"]
    assert lines[-1].strip() == "-> mend it"
    assert json.loads(json.dumps([dataclasses.asdict(finding) for finding in findings]))[0]["name"] == "python"


def test_versions_that_do_not_fit_are_named_with_the_fix(monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.metadata.version

    def version(name: str) -> str:
        if name == "peft":
            raise importlib.metadata.PackageNotFoundError
        return "1.99.0" if name == "trl" else real(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    found = by_name(list(installation._packages()))
    assert found["trl"].state == found["peft"].state == "bad"
    assert "1.99.0, but raqo needs" in found["trl"].found
    assert found["trl"].fix.startswith("pip install 'trl")
    assert found["peft"].found == "not installed"


def test_a_trainer_that_lost_a_parameter_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    import trl

    class Config:
        def __init__(self, output_dir: str, max_length: int) -> None: ...

    monkeypatch.setattr(trl, "SFTConfig", Config)
    found = by_name(list(installation._trainers()))
    assert found["trl.SFTTrainer"].state == "bad"
    assert "learning_rate" in found["trl.SFTTrainer"].found
    assert found["transformers.Trainer"].state == "ok"


def test_a_library_that_cannot_be_imported_is_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str) -> Any:
        raise RuntimeError("operator torchvision::nms does not exist\nand more")

    monkeypatch.setattr(installation.importlib, "import_module", broken)
    found = [installation._torch(), installation._torchvision(), installation._faiss(), *installation._trainers()]
    assert {finding.state for finding in found} == {"bad"}
    assert all("nms does not exist" in finding.found and "more" not in finding.found for finding in found)


def server_findings(*servers: str, **options: Any) -> dict[str, Finding]:
    found = examine(servers, **options)
    start = next(place for place, finding in enumerate(found) if finding.name.startswith("server "))
    return {finding.name.strip(): finding for finding in found[start:]}


def test_what_a_server_does_is_held_against_what_its_preset_declares() -> None:
    with ChatServer(lambda body: '{"code": 7351}' if "response_format" in body else "yes") as server:
        url = server.base_url
        found = server_findings(f"vllm={url}", images=True)
        assert len(server.calls) == 5
        assert max(call.body["max_tokens"] for call in server.calls) <= 24
    assert found[f"server {url}"].found == "models: scripted"
    states = {name: finding.state for name, finding in found.items() if not name.startswith("server")}
    assert states == {"n": "ok", "structured_output": "ok", "logprobs": "bad", "images": "ok"}
    assert found["logprobs"].fix == "set chat.capabilities.logprobs: false"


def test_without_a_preset_capabilities_are_only_told() -> None:
    with ChatServer(lambda body: "yes") as server:
        found = server_findings(server.base_url)
    assert {finding.state for finding in found.values()} == {"ok"}
    told = {name: finding.found for name, finding in found.items() if not name.startswith("server")}
    assert told == {"n": "yes", "structured_output": "no", "logprobs": "no"}


def test_a_capability_that_is_not_declared_is_offered() -> None:
    with ChatServer(lambda body: "yes") as server:
        found = server_findings(f"transformers-serve={server.base_url}")
    assert found["n"].state == "warn"
    assert found["n"].fix == "set chat.capabilities.n: true to use it"


def test_a_server_that_is_not_there_is_bad() -> None:
    with socket.socket() as taken:  # nobody listens there, and nobody else can
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
        (finding,) = server_findings(url).values()
    assert (finding.name, finding.state) == (f"server {url}", "bad")
    assert finding.fix


@pytest.mark.parametrize("server", ["localhost:8000", "nonesuch=http://127.0.0.1/v1", "http://a:secret@127.0.0.1/v1"])
def test_what_is_no_address_is_refused_without_repeating_secrets(server: str) -> None:
    with pytest.raises(ConfigError) as error:
        examine([server])
    assert "secret" not in str(error.value)
