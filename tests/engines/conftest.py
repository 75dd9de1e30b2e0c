"""Real engines, which need environments of their own: `make test-engines` makes one and runs these tests with it."""

from __future__ import annotations

import os

import pytest


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "engine: needs a real engine in an environment of its own (make test-engines)")


@pytest.fixture(scope="session")
def engine_python() -> str:
    python = os.environ.get("RAQO_ENGINE_PYTHON", "")
    if os.environ.get("RAQO_ENGINES") != "1" or not python:
        pytest.skip("RAQO_ENGINES=1 and RAQO_ENGINE_PYTHON are not set; run `make test-engines`")
    return python
