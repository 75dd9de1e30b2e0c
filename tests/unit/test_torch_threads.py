from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import torch

from raqo import _torch_threads
from raqo._torch_threads import add_gradients, is_small, run_batches

SMALL = torch.nn.Linear(2, 2)


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

    assert list(run_batches(work, range(9), SMALL)) == [(batch, 1) for batch in range(9)]
    assert torch.get_num_threads() == 3


def test_batches_are_not_taken_far_ahead() -> None:
    taken: list[int] = []

    def batches() -> Iterator[int]:
        for batch in range(50):
            taken.append(batch)
            yield batch

    for done in run_batches(lambda batch: batch, batches(), SMALL):
        assert len(taken) <= done + 5  # itself, three that may run, and one that waits


def test_an_error_ends_the_run_and_gives_the_threads_back() -> None:
    def work(batch: int) -> int:
        if batch == 2:
            raise ValueError("this batch is bad")
        return batch

    with pytest.raises(ValueError, match="this batch is bad"):
        list(run_batches(work, range(1000), SMALL))
    assert torch.get_num_threads() == 3


@pytest.mark.parametrize("side_by_side", [True, False])
def test_gradients_of_parts_add_up_to_those_of_the_whole(side_by_side: bool) -> None:
    torch.manual_seed(0)
    model, rows = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.Linear(3, 1)), torch.randn(10, 4)
    model.spare = torch.nn.Linear(2, 2)
    whole = model[:2](rows).square().sum()
    whole.backward()
    expected = [parameter.grad for parameter in model.parameters()]
    model.zero_grad()
    for turn in (1, 2):
        parts = rows.split(3)
        found = add_gradients(lambda part: model[:2](part).square().sum(), parts, model, side_by_side=side_by_side)
        torch.testing.assert_close(found, whole.detach())
        for parameter, gradient in zip(model.parameters(), expected, strict=True):
            if gradient is None:
                assert parameter.grad is None
            else:
                torch.testing.assert_close(parameter.grad, turn * gradient)


def test_a_large_model_keeps_the_threads_of_torch() -> None:
    with torch.device("meta"):
        large = torch.nn.Linear(10_000, 10_000)
    large.weight = torch.nn.Parameter(torch.zeros(1).expand(10_000, 10_000), requires_grad=False)
    assert is_small(SMALL)
    assert not is_small(large)
    assert list(run_batches(lambda _: torch.get_num_threads(), range(2), large)) == [torch.get_num_threads()] * 2
