"""How questions are expanded. Loads no heavy library."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from raqo.agents.term_weights import TermWeights
from raqo.errors import ConfigError, message, nearest

FUSIONS = ("concatenation", "rrf")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpansionSettings:
    """Numbers of the expansion loop.

    QueryFormer ('Implement details') states `context_depth`, `expansions`, both temperatures and `window`. It leaves
    rounds, stop rule, fusion and score open; these are ours, chosen on the training questions of the sample world.

    Attributes:
        context_depth: passages that expansions are generated from.
        expansions: proposed in the generation phase.
        generation_temperature: of the generation phase.
        window: best expansions that are kept, and shown to the optimisation phase.
        refinements: proposed in each optimisation round.
        optimisation_temperature: of the optimisation phase.
        max_rounds: optimisation rounds at most; 0 takes the best of the generation phase.
        min_gain: a question is finished when its best score rose by less.
        score_depth: passages that an expansion is scored by.
        fusion: ``concatenation`` searches the question with the best expansion, ``rrf`` fuses the rankings of the
            question with each expansion of the window by reciprocal ranks.
        fusion_depth: passages of each ranking that ``rrf`` fuses.
        rrf_k: the constant of ``rrf`` (Cormack et al. 2009).
        weights: of the words of a search.
        batch_size: questions in one run of the graph.
    """

    context_depth: int = 3
    expansions: int = 12
    generation_temperature: float = 0.2
    window: int = 8
    refinements: int = 8
    optimisation_temperature: float = 0.7
    max_rounds: int = 3
    min_gain: float = 1e-3
    score_depth: int = 5
    fusion: Literal["concatenation", "rrf"] = "concatenation"
    fusion_depth: int = 100
    rrf_k: float = 60.0
    weights: TermWeights = field(default_factory=TermWeights)
    batch_size: int = 256

    def __post_init__(self) -> None:
        for name in (
            "context_depth", "expansions", "window", "refinements", "score_depth", "fusion_depth", "batch_size",
        ):  # fmt: skip
            if getattr(self, name) < 1:
                raise ConfigError(message(f"expansion.{name}", f"got {getattr(self, name)}", "give at least 1"))
        for name in ("generation_temperature", "optimisation_temperature", "max_rounds", "min_gain", "rrf_k"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ConfigError(message(f"expansion.{name}", f"got {getattr(self, name)}", "give 0 or more"))
        if self.fusion not in FUSIONS:
            problem = f"expected {' or '.join(FUSIONS)}, got {self.fusion!r}{nearest(str(self.fusion), FUSIONS)}"
            raise ConfigError(message("expansion.fusion", problem, "correct the name"))
