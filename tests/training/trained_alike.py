"""When two runs count as the same training."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

Weights = Mapping[str, Tensor]


def ended_alike(one: Weights, other: Weights, *, start: Weights) -> bool:
    """Whether two runs lie a tenth as far apart as from their start, at most.

    Never equality: sums of threads differ in the last bits, and Adam's first steps have the length of the learning rate
    whatever the gradient is, so a weight whose gradient is nearly 0 goes one way or the other.
    """
    return _distance(one, other) < 0.1 * _distance(one, start)


def _distance(one: Weights, other: Weights) -> float:
    assert one.keys() == other.keys()
    return float(sum((one[name].double() - other[name].double()).square().sum() for name in one)) ** 0.5
