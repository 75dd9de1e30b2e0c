from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import torch

from raqo import _torch_threads
from raqo._torch_threads import run_batches

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def three_threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    before = torch.get_num_threads()
    monkeypatch.setattr(_torch_threads, "_threads", lambda: 3)
    yield
    torch.set_num_threads(before)


def test_results_come_in_order_and_batches_run_side_by_side_with_one_thread_each() -> None:
    meeting = threading.Barrier(3)

    def work(batch: int) -> tuple[int, int]:
        meeting.wait(timeout=600)  # three at once, or nobody goes on
        return batch, torch.get_num_threads()

    assert list(run_batches(work, range(9), CPU)) == [(batch, 1) for batch in range(9)]
    assert torch.get_num_threads() == 3


def test_batches_are_not_taken_far_ahead() -> None:
    taken: list[int] = []

    def batches() -> Iterator[int]:
        for batch in range(50):
            taken.append(batch)
            yield batch

    for done in run_batches(lambda batch: batch, batches(), CPU):
        assert len(taken) <= done + 5  # itself, three that may run, and one that waits


def test_an_error_ends_the_run_and_gives_the_threads_back() -> None:
    def work(batch: int) -> int:
        if batch == 2:
            raise ValueError("this batch is bad")
        return batch

    with pytest.raises(ValueError, match="this batch is bad"):
        list(run_batches(work, range(1000), CPU))
    assert torch.get_num_threads() == 3
