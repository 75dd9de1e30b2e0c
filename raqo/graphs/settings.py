"""How queries are mined. Loads no heavy library."""

from __future__ import annotations

from dataclasses import dataclass

from raqo.errors import ConfigError, message
from raqo.records import Verdict


@dataclass(frozen=True, kw_only=True)
class MiningSettings:
    """Thresholds and bounds of MPADE.

    The paper states `unambiguous_at`, `ambiguous_beyond` and the ranking length 5; it leaves the rest open, and these
    are our choices.

    Attributes:
        unambiguous_at: a target at this rank or better makes a query unambiguous (RAQO, 'Query Ambiguity Assessment').
        ambiguous_beyond: a target beyond this rank makes a query ambiguous; ranks between the two are unused.
        search_depth: hits searched; a target that is not among them is beyond every rank.
        max_rounds: reviews of one query at most.
        samples_per_round: rewrites tried after each review.
        max_accepted: a query is finished with this many accepted rewrites; the paper's ranking length.
        min_similarity_drop: a perturbation must lower the similarity with the target by this (the paper's
            'significantly'), or push the target beyond `ambiguous_beyond`.
        perturb_share: share of the unambiguous queries that is perturbed, drawn by a hash of seed and query id.
        perturb_samples: perturbations tried for one query, until one is accepted.
        min_text_similarity: sentence-encoder cosine with the original query, below which a wording is neither accepted
            nor followed up (RAQO, 'Query Pair Filtering'). Loose, because a right rewrite of three rare words in a
            short query has an all-MiniLM-L6-v2 cosine of only 0.35; filter the finished data more strictly.
        batch_size: queries in one run of the graph. ``None``: 256, or 64 where a chat model is asked.
        batches_in_flight: runs of the graph at once; what a killed run loses at most. ``None``: 1, or 8 where a chat
            model is asked, so that one slow answer holds up its own batch only and the server always has work.
        max_failure_rate: share of failed reviews and perturbations above which a run stops, once there are enough.
        seed: draws the queries to perturb.
    """

    unambiguous_at: int = 5
    ambiguous_beyond: int = 10
    search_depth: int = 50
    max_rounds: int = 5
    samples_per_round: int = 2
    max_accepted: int = 5
    min_similarity_drop: float = 0.02
    perturb_share: float = 1.0
    perturb_samples: int = 2
    min_text_similarity: float = 0.3
    batch_size: int | None = None
    batches_in_flight: int | None = None
    max_failure_rate: float = 0.2
    seed: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.unambiguous_at <= self.ambiguous_beyond <= self.search_depth:
            got = f"got {self.unambiguous_at}, {self.ambiguous_beyond}, {self.search_depth}"
            raise ConfigError(message("mining", got, "keep 1 <= unambiguous_at <= ambiguous_beyond <= search_depth"))
        for name in ("samples_per_round", "max_accepted", "perturb_samples", "batch_size", "batches_in_flight"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(message(f"mining.{name}", f"got {value}", "give at least 1"))
        if self.max_rounds < 0:
            raise ConfigError(message("mining.max_rounds", f"got {self.max_rounds}", "give at least 0"))
        for name in ("perturb_share", "max_failure_rate"):
            share = getattr(self, name)
            if not 0.0 <= share <= 1.0:
                raise ConfigError(message(f"mining.{name}", f"got {share}", "give a share from 0 to 1"))

    def flow(self, *, asks_chat: bool) -> tuple[int, int]:
        """Queries in a batch, and batches in flight."""
        size, count = (64, 8) if asks_chat else (256, 1)
        return self.batch_size or size, self.batches_in_flight or count

    def verdict(self, rank: int | None) -> Verdict:
        """Judge a target's 1-based rank; ``None`` stands for beyond `search_depth`."""
        if rank is None or rank > self.ambiguous_beyond:
            return Verdict.AMBIGUOUS
        return Verdict.UNAMBIGUOUS if rank <= self.unambiguous_at else Verdict.UNDECIDED
