"""`raqo mine` killed with SIGKILL at random moments ends with the data set of an uninterrupted run."""

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rows_alike import same_rows

from raqo.cli import main


def start(config: Path, out: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "raqo", "mine", "--config", str(config), "--out", str(out)]
    return subprocess.Popen([*command, "mining.batch_size=2"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def kill_at_random(config: Path, out: Path, rng: random.Random, longest: float) -> bool:
    """Start, wait until the log opens or time is up, wait a random moment more, kill; True if it ended by itself."""
    child = start(config, out)
    size = (out / "traces.jsonl").stat().st_size if (out / "traces.jsonl").exists() else 0
    for _ in range(12_000):
        if child.poll() is not None:
            return True
        if (out / "traces.jsonl").exists() and (out / "traces.jsonl").stat().st_size > size:
            break
        time.sleep(0.05)
    time.sleep(rng.random() * longest)
    child.send_signal(signal.SIGKILL)
    return child.wait() == 0


@pytest.mark.slow
def test_twenty_kills_lose_and_double_nothing(config: Path, run_folder: Path, tmp_path: Path) -> None:
    rng, out = random.Random(5), tmp_path / "killed"
    kills = 0
    for _ in range(20):
        if kill_at_random(config, out, rng, longest=0.4):
            break
        kills += 1
    assert main(["mine", "--config", str(config), "--out", str(out), "mining.batch_size=2"]) == 0
    assert main(["build-data", "--config", str(config), "--out", str(out)]) == 0
    assert kills >= 3  # a fast machine is done sooner
    keys = [(row["query_id"], row["origin"]) for row in map(json.loads, lines(out)) if "query_id" in row]
    assert len(keys) == len(set(keys))
    for name in ("ccd", "qre", "pro", "pairs"):
        made, expected = ((folder / "data" / f"{name}.jsonl").read_bytes() for folder in (out, run_folder))
        assert same_rows(made, expected), name


def lines(out: Path) -> list[str]:
    return (out / "traces.jsonl").read_text(encoding="utf-8").splitlines()
