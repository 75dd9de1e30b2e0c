"""The guard ends what it runs, whenever it is told to."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest
from gateway_process import PATIENCE_S

from raqo.serving import guard


def start(*command: str) -> subprocess.Popen[str]:
    """Its output ends when the last process that has it is gone."""
    program = [sys.executable, "-I", guard.__file__, *command]
    return subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("turn", range(10))
def test_whoever_is_gone_before_the_command_runs_leaves_nothing_behind(turn: int) -> None:
    with start("sleep", "600") as process:
        process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0


@pytest.mark.parametrize("ends", ["input", "signal"])
def test_the_command_ends_with_its_children(ends: str) -> None:
    with start("sh", "-c", "sleep 600 & echo started; wait") as process:
        assert process.stdin
        assert process.stdout
        assert process.stdout.readline() == "started\n"
        if ends == "input":
            process.stdin.close()
        else:
            process.send_signal(signal.SIGTERM)
        assert process.stdout.read() == ""
        assert process.wait(timeout=PATIENCE_S) == 0


def test_the_status_of_a_command_that_ends_by_itself_is_passed_on() -> None:
    with start("sh", "-c", "exit 7") as process:
        assert process.wait(timeout=PATIENCE_S) == 7
