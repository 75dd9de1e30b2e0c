"""A run that reuses its parts still tells what they cost."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from raqo.errors import BudgetError, DataError
from raqo.workflows.times import TIMES, Reused, Step, Times


class Clock:
    """Stands still unless it is moved."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(time, "monotonic", found)
    return found


def start(folder: Path, clock: Clock, *steps: tuple[Step, float, Reused]) -> Times:
    times = Times(folder, started=clock.now)
    for name, seconds, reused in steps:
        with times.step(name) as work:
            clock.now += seconds
            work.reused = reused
    clock.now += 1.0  # what no step takes
    return times


def first(folder: Path, clock: Clock) -> Times:
    steps = (("mine", 40.0), ("build-data", 2.0), ("train", 20.0), ("evaluate", 10.0))
    return start(folder, clock, *((name, seconds, "nothing") for name, seconds in steps))


def test_the_first_start_tells_its_own_times(tmp_path: Path, clock: Clock) -> None:
    times = first(tmp_path, clock)
    assert times.seconds() == pytest.approx({"mine_s": 42.0, "train_s": 20.0, "evaluate_s": 10.0, "total_s": 73.0})
    assert times.reused() == ()


def test_what_is_reused_keeps_the_time_of_when_it_was_made(tmp_path: Path, clock: Clock) -> None:
    first(tmp_path, clock)
    again = start(tmp_path, clock, ("mine", 3.0, "all"), ("build-data", 2.5, "nothing"), ("evaluate", 2.0, "all"))
    assert again.seconds() == pytest.approx(
        # this start took 8.5 s, and reused what took 40, 20 and 10
        {"mine_s": 42.5, "train_s": 20.0, "evaluate_s": 10.0, "total_s": 78.5}
    )
    assert again.reused() == ("mine_s", "train_s", "evaluate_s")
    assert again.elapsed() == pytest.approx(8.5)


def test_what_goes_on_grows_and_what_is_made_anew_begins_anew(tmp_path: Path, clock: Clock) -> None:
    first(tmp_path, clock)
    again = start(tmp_path, clock, ("mine", 5.0, "in part"), ("train", 7.0, "nothing"))
    assert again.seconds()["mine_s"] == pytest.approx(47.0)
    assert again.seconds()["train_s"] == pytest.approx(7.0)
    assert again.reused() == ("evaluate_s",)


def test_a_step_that_is_stopped_in_good_order_counts_and_a_refused_one_does_not(tmp_path: Path, clock: Clock) -> None:
    times = Times(tmp_path)

    def fail(step: Step, error: Exception) -> None:
        with times.step(step):
            clock.now += 30.0
            raise error

    with pytest.raises(BudgetError):
        fail("mine", BudgetError("no money"))
    with pytest.raises(DataError):
        fail("train", DataError("no rows"))
    assert times.seconds() == pytest.approx({"mine_s": 30.0})


def test_a_start_that_is_stopped_before_it_made_a_folder_leaves_none(tmp_path: Path, clock: Clock) -> None:
    with pytest.raises(KeyboardInterrupt), Times(tmp_path / "run").step("mine"):
        raise KeyboardInterrupt
    assert not (tmp_path / "run").exists()


def test_without_all_steps_there_is_no_total(tmp_path: Path, clock: Clock) -> None:
    assert start(tmp_path, clock, ("evaluate", 4.0, "nothing")).seconds() == pytest.approx({"evaluate_s": 4.0})


def test_memory_is_that_of_the_starts_whose_work_is_there(tmp_path: Path, clock: Clock) -> None:
    assert first(tmp_path, clock).peak_mb(2000.0) == 2000.0
    assert start(tmp_path, clock, ("mine", 1.0, "all")).peak_mb(500.0) == 2000.0
    assert first(tmp_path, clock).peak_mb(700.0) == 700.0


@pytest.mark.parametrize("content", ["{torn", "[]", "7", '{"mine": "long", "train": NaN, "evaluate": null}'])
def test_times_that_cannot_be_read_count_as_none(tmp_path: Path, clock: Clock, content: str) -> None:
    (tmp_path / TIMES).write_text(content)
    assert Times(tmp_path).seconds() == {}
    assert "mine_s" in first(tmp_path, clock).seconds()
