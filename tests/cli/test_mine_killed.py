"""`raqo mine` killed with SIGKILL at random moments ends with the data set of an uninterrupted run, byte by byte."""

import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from raqo.cli import main

CONFIG = """
data:
  train: {path: sample, split: train, limit: LIMIT}
retriever: {model: sample}
lexicon: {neighbours: 6, seen: 2, more_queries: 5}
mining: {max_rounds: 2, batch_size: 2, unambiguous_at: 1, ambiguous_beyond: 1}
wordnet: null
"""
KILLS = 20


def written(tmp_path: Path, queries: int) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(CONFIG.replace("LIMIT", str(queries)), encoding="utf-8")
    return path


def mining(config: Path, out: Path) -> list[str]:
    """Each run folder has a cache of its own: drawing pictures and writing the index belong to what is killed."""
    return ["mine", "--config", str(config), "--out", str(out), f"cache_dir={out}-cache"]


def killed(config: Path, out: Path, moment: Callable[["subprocess.Popen[bytes]"], None]) -> bool:
    """Start `raqo mine` and kill it when `moment` returns; False if it had ended by itself."""
    command = [sys.executable, "-m", "raqo", *mining(config, out)]
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        moment(child)
    finally:
        child.kill()
    code = child.wait()
    assert code in (0, -9), f"ended by itself with {code}"
    return code != 0


def after(seconds: float) -> Callable[["subprocess.Popen[bytes]"], None]:
    """So long after the start, or as soon as it has ended."""

    def wait(child: "subprocess.Popen[bytes]") -> None:
        try:
            child.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            return

    return wait


def when_longer(log: Path, lines: int) -> Callable[["subprocess.Popen[bytes]"], None]:
    """When the log has so many lines more than at the start, or it has ended."""
    wanted = length(log) + lines

    def wait(child: "subprocess.Popen[bytes]") -> None:
        while child.poll() is None and length(log) < wanted:
            time.sleep(0.01)

    return wait


def length(log: Path) -> int:
    return log.read_bytes().count(b"\n") if log.exists() else 0


def finished(config: Path, out: Path) -> dict[str, bytes]:
    """Mine to the end and build; what is in the log, lexicon and data set, by file."""
    assert main(mining(config, out)) == 0
    assert main(["build-data", *mining(config, out)[1:]]) == 0
    built = [path for path in (out / "data").rglob("*") if path.is_file()]
    return {
        str(path.relative_to(out)): path.read_bytes() for path in [*built, out / "traces.jsonl", out / "lexicon.json"]
    }


def differing(one: dict[str, bytes], other: dict[str, bytes]) -> list[str]:
    return sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))


def stage(out: Path, before: int) -> str:
    """What a killed run was at, as far as its folder tells."""
    if not (out / "lexicon.json").exists():
        return "learning the lexicon" if length(out / "traces.jsonl") else "starting"
    if length(out / "traces.jsonl") == before:
        return "starting again"
    return "mining" if not (out / "mining.json").exists() else "ending"


def test_kills_while_learning_and_while_mining(tmp_path: Path) -> None:
    small = written(tmp_path, 16)
    whole, out = finished(small, tmp_path / "whole"), tmp_path / "killed"
    log = out / "traces.jsonl"
    # the log's first line is its header, written before the lexicon is learnt
    kills = [killed(small, out, when_longer(log, lines)) for lines in (1, 5)]
    assert any(kills)
    assert differing(finished(small, out), whole) == []


@pytest.mark.slow
def test_twenty_kills_at_random_moments_lose_and_double_nothing(tmp_path: Path) -> None:
    """Spread evenly over the time of a whole run; a folder that gets to its end is compared, and a new one begins."""
    small, rng, started = written(tmp_path, 48), random.Random(5), time.monotonic()
    subprocess.run([sys.executable, "-m", "raqo", *mining(small, tmp_path / "whole")], check=True)
    longest = time.monotonic() - started
    whole = finished(small, tmp_path / "whole")
    stages, folders = Counter[str](), 0
    while stages.total() < KILLS:
        out = tmp_path / f"killed-{folders}"
        while stages.total() < KILLS:
            before = length(out / "traces.jsonl")
            if not killed(small, out, after(rng.random() * longest)):
                break
            stages[stage(out, before)] += 1
        assert differing(finished(small, out), whole) == [], f"after {dict(stages)}"
        folders += 1
    print(f"{KILLS} kills, {folders} folders, a whole run takes {longest:.0f} s: {dict(stages)}")
