"""Small models on a CPU: batches side by side, each in one thread of torch.

torch would split each operation over all threads instead, which takes several times as long for operations this
small, and more where the machine has other work (docs/experiments.md).
"""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import torch

Batch = TypeVar("Batch")
Result = TypeVar("Result")


def run_batches(
    function: Callable[[Batch], Result], batches: Iterable[Batch], device: torch.device
) -> Iterator[Result]:
    """Yield ``function(batch)`` for each batch, in order; on the CPU as many at once as torch has threads.

    A batch never has more than one thread there, not even a lone one, so that its numbers do not depend on how many
    batches came with it. Batches are taken at most one round ahead of what was yielded.
    """
    if device.type != "cpu":
        yield from map(function, batches)
        return
    threads, waiting = _threads(), deque[Future[Result]]()
    try:
        with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            try:
                for batch in batches:
                    waiting.append(pool.submit(function, batch))
                    if len(waiting) > threads:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                for future in waiting:
                    future.cancel()
    finally:
        torch.set_num_threads(threads)


@functools.cache
def _threads() -> int:
    """What torch was given at the start; while batches run, it says 1."""
    return torch.get_num_threads()
