from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from gateway_process import PATIENCE_S, PROGRAM, Serve, Served, held_port


@pytest.fixture(scope="session")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Serve:
    @contextlib.contextmanager
    def start(
        *,
        wait: bool = True,
        held: str = "",
        key: str = "",
        loads_adapters: bool = False,
        ready_s: float = PATIENCE_S,
        settings_key: str = "",
        **settings: Any,
    ) -> Iterator[Served]:
        log, (port, holder) = tmp_path_factory.mktemp("engine") / "log.jsonl", held_port()
        given = {"engine": str(Path(__file__).with_name("fake_engine.py")), "log": str(log), "held": held, "key": key}
        given |= {
            "loads_adapters": loads_adapters,
            "ready_s": ready_s,
            "port": port,
            "settings": settings | {"key": settings_key},
        }
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, json.dumps(given)],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "CLIENT_KEY": "not for the engine"},
        )
        assert process.stdout
        with holder, httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE_S, trust_env=False) as client:
            served = Served(process, client, log)
            try:
                if wait:
                    assert process.stdout.readline() == f"ready http://127.0.0.1:{port}/v1\n"
                yield served
            finally:
                process.terminate()
                process.wait(timeout=PATIENCE_S)
                process.stdout.close()

    return start
