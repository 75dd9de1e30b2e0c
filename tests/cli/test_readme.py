"""The README's commands and settings are taken by the command line and the configuration; its recipes load."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import yaml

from raqo.cli.parser import build_parser
from raqo.config import load_config

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "configs").glob("*.yaml"))]
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", PAGES[0].read_text(encoding="utf-8"), re.DOTALL)
COMMANDS = [line for page in PAGES for line in re.findall(r"^(?:# )?(raqo [^#\n]+)", page.read_text(), re.MULTILINE)]
WHOLE = "data: {train: {path: a.csv}}\n"


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_are_understood(command: str) -> None:
    arguments, rest = build_parser().parse_known_args(shlex.split(command)[1:])
    assert callable(arguments.run)
    assert all("=" in item for item in rest)


@pytest.mark.parametrize("text", [text for kind, text in BLOCKS if kind == "yaml"])
def test_settings_load(text: str, tmp_path: Path) -> None:
    values = yaml.safe_load(WHOLE) | yaml.safe_load(text)
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
    load_config(tmp_path / "config.yaml")


@pytest.mark.parametrize("recipe", PAGES[1:], ids=lambda page: page.name)
def test_recipes_load(recipe: Path) -> None:
    load_config(recipe)


def test_there_is_something_to_check() -> None:
    assert len(COMMANDS) > 12
    assert sum(kind == "yaml" for kind, _ in BLOCKS) >= 2
