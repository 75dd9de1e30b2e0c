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
from torch import Tensor, nn

SMALL = 50_000_000
"""Parameters up to which a model is small."""

Batch = TypeVar("Batch")
Result = TypeVar("Result")


def is_small(model: nn.Module) -> bool:
    """Whether a model lies on the CPU and is so small that its batches are better run side by side."""
    parameters = list(model.parameters())
    on_cpu = all(parameter.device.type == "cpu" for parameter in parameters)
    return on_cpu and sum(parameter.numel() for parameter in parameters) <= SMALL


def run_batches(function: Callable[[Batch], Result], batches: Iterable[Batch], model: nn.Module) -> Iterator[Result]:
    """Yield ``function(batch)`` for each batch, in order; with a small model as many at once as torch has threads.

    A batch never has more than one thread then, not even a lone one, so that its numbers do not depend on how many
    batches came with it. Batches are taken at most one round ahead of what was yielded.

    Args:
        function: runs the model.
        batches: what it takes.
        model: decides by its size and place.
    """
    if not is_small(model):
        yield from map(function, batches)
        return
    threads, waiting = _threads(), deque[Future[Result]]()
    torch.set_num_threads(1)  # what is done with the results meanwhile takes no other thread either
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


def add_gradients(
    loss: Callable[[Batch], Tensor], batches: Iterable[Batch], model: nn.Module, *, side_by_side: bool = True
) -> Tensor:
    """Add the gradients of the sum of all losses to those of a model, in the order of the batches; return the sum.

    Args:
        loss: of a batch, a scalar.
        batches: what it takes.
        model: whose parameters learn.
        side_by_side: by `run_batches`. Losses that draw random numbers (dropout) must come one after the other: there
            is one generator, and they would draw other numbers in each run.
    """
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]

    def learn(batch: Batch) -> tuple[Tensor, tuple[Tensor | None, ...]]:
        value = loss(batch)
        return value.detach(), torch.autograd.grad(value, parameters, allow_unused=True)

    total = torch.zeros((), device=parameters[0].device)
    for value, gradients in run_batches(learn, batches, model) if side_by_side else map(learn, batches):
        total += value
        for parameter, gradient in zip(parameters, gradients, strict=True):
            if gradient is None:
                continue
            if parameter.grad is None:  # a copy: what autograd returns may be shared between parameters
                parameter.grad = gradient.clone()
            else:
                parameter.grad += gradient
    return total


@functools.cache
def _threads() -> int:
    """What torch was given at the start; while batches run, it says 1."""
    return torch.get_num_threads()
