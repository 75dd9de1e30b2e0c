"""Settings of the evaluation."""

from __future__ import annotations

from dataclasses import dataclass

from raqo.errors import ConfigError, message


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationSettings:
    """What is measured and how surely.

    Attributes:
        ks: cut-offs of recall. The first is the one that counts hits, gaps and significance.
        depth: hits retrieved per query; a target beyond it counts as not found (MRR too).
        permutations: resamples of the permutation test; fewer sign patterns than that are counted exactly.
        seed: seed of the permutation test and of the choice of examples.
        examples: examples shown in the report for each outcome and split.
        thumbnail: longest side of a picture in the report, in pixels.
    """

    ks: tuple[int, ...] = (1, 5, 10)
    depth: int = 100
    permutations: int = 10_000
    seed: int = 0
    examples: int = 6
    thumbnail: int = 160

    def __post_init__(self) -> None:
        if not self.ks or min(self.ks) < 1 or max(self.ks) > self.depth:
            problem = f"expected cut-offs from 1 to depth {self.depth}, got {list(self.ks)}"
            raise ConfigError(message("evaluation.ks", problem, "give e.g. [1, 5, 10] and a depth at least as large"))
        if self.permutations < 100:
            problem = f"expected at least 100, got {self.permutations}"
            raise ConfigError(message("evaluation.permutations", problem, "give e.g. 10000"))
