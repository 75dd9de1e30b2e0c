"""The rows of the preference data: structured fields beside the prompt and completion that TRL reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from raqo.records import Attempt

Source = Literal["optimize", "perturb", "balance"]


class PromptRenderer(Protocol):
    """How queries and concepts become prompts; the module ``raqo.agents.prompts`` is one."""

    def render_detect(self, query: str) -> str:
        """Ask for the challenging concepts of a query."""
        ...

    def render_rewrite(self, query: str, concepts: Sequence[str]) -> str:
        """Ask for a rewrite of a query, given its challenging concepts."""
        ...

    def join_concepts(self, concepts: Sequence[str]) -> str:
        """Write concepts as the rewriter is to answer them; without any, the word for none."""
        ...


@dataclass(frozen=True, slots=True)
class CCDRow:
    """Challenging concept detection (RAQO, D_CCR): no concept stands for an unambiguous query."""

    id: str
    query: str
    concepts: tuple[str, ...]
    source: Source
    prompt: str
    completion: str


@dataclass(frozen=True, slots=True)
class QRERow:
    """Query rewriting (RAQO, D_QRE): the best wording known; `score` is its similarity with the target."""

    id: str
    query: str
    concepts: tuple[str, ...]
    rewrite: str
    score: float
    prompt: str
    completion: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """One wording of a list.

    Attributes:
        score: retriever similarity with the target (the reward).
        rank: rank of the target, None beyond the searched depth.
        text_similarity: sentence cosine with the query as mined.
    """

    text: str
    score: float
    rank: int | None
    text_similarity: float
    round: int


@dataclass(frozen=True, slots=True)
class PRORow:
    """Preference ranking (RAQO, D_PRO): candidates, completions and rewards in one order, best first."""

    id: str
    query: str
    concepts: tuple[str, ...]
    prompt: str
    candidates: tuple[Candidate, ...]
    completions: tuple[str, ...]
    rewards: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class PairRow:
    """One pair of a list, for pairwise trainers; `margin` is the gap of the scores."""

    id: str
    prompt: str
    chosen: str
    rejected: str
    margin: float


def ccd_row(trace_id: str, query: str, concepts: tuple[str, ...], source: Source, prompts: PromptRenderer) -> CCDRow:
    """Render one detection row."""
    completion = _completion(prompts.join_concepts(concepts))
    return CCDRow(f"{trace_id}/{source}", query, concepts, source, prompts.render_detect(query), completion)


def qre_row(
    trace_id: str, query: str, concepts: tuple[str, ...], best: Attempt, source: Source, prompts: PromptRenderer
) -> QRERow:
    """Render one rewriting row."""
    prompt = prompts.render_rewrite(query, concepts)
    return QRERow(f"{trace_id}/{source}", query, concepts, best.text, best.similarity, prompt, _completion(best.text))


def pro_row(
    trace_id: str,
    query: str,
    concepts: tuple[str, ...],
    ranked: Sequence[Attempt],
    source: Source,
    prompts: PromptRenderer,
) -> PRORow:
    """Render one list; `ranked` is sorted by similarity, best first."""
    return PRORow(
        id=f"{trace_id}/{source}",
        query=query,
        concepts=concepts,
        prompt=prompts.render_rewrite(query, concepts),
        candidates=tuple(Candidate(a.text, a.similarity, a.rank, a.text_similarity, a.round) for a in ranked),
        completions=tuple(_completion(a.text) for a in ranked),
        rewards=tuple(a.similarity for a in ranked),
    )


def pairs_of(row: PRORow) -> Iterator[PairRow]:
    """Yield every better-worse pair of a list."""
    scored = list(zip(row.completions, row.rewards, strict=True))
    for better, (chosen, high) in enumerate(scored):
        for worse, (rejected, low) in enumerate(scored[better + 1 :], better + 1):
            yield PairRow(f"{row.id}/{better}-{worse}", row.prompt, chosen, rejected, high - low)


def _completion(text: str) -> str:
    """TRL joins prompt and completion as they are: a completion starts with one blank."""
    return " " + " ".join(text.split())
