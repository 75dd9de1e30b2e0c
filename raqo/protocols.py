"""The few interfaces everything is built against. Batch first, keyword-only options, no base classes to inherit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from raqo.records import Cost, Failure, FailureKind, Query, Ranking, Review, Trace

FloatArray = npt.NDArray[np.float32]


@runtime_checkable
class TextEncoder(Protocol):
    """Texts to unit vectors."""

    @property
    def fingerprint(self) -> str:
        """Identifies model and weights."""
        ...

    def encode_texts(self, texts: Sequence[str]) -> FloatArray:
        """Encode to float32 of shape (n, d) with rows of unit length."""
        ...


@runtime_checkable
class Encoder(TextEncoder, Protocol):
    """Texts and images to unit vectors of one space."""

    @property
    def context_length(self) -> int:
        """The most tokens of a text that the encoder reads, special tokens included."""
        ...

    def token_counts(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, special tokens included, before any truncation."""
        ...

    def encode_images(self, paths: Sequence[str]) -> FloatArray:
        """Encode image files to float32 of shape (n, d) with rows of unit length."""
        ...


@runtime_checkable
class Retriever(Protocol):
    """A searchable gallery."""

    @property
    def fingerprint(self) -> str:
        """Identifies model, weights, gallery and settings: data mined under one value is never mixed with another."""
        ...

    @property
    def size(self) -> int:
        """Number of documents in the gallery."""
        ...

    def search(self, queries: Sequence[Query], *, k: int) -> list[Ranking]:
        """Rank the best k documents of each query, in the order given; equal scores are ordered by document id."""
        ...

    def similarity(self, queries: Sequence[Query], doc_ids: Sequence[str]) -> FloatArray:
        """Score query i with document i; both have length n, the result has shape (n,)."""
        ...

    def fits(self, texts: Sequence[str]) -> list[bool]:
        """Whether each text can be read whole (CLIP: 77 tokens)."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    """One conversation to be completed.

    Attributes:
        messages: in the OpenAI form; images are data URLs inside the content parts.
        n: completions wanted.
        max_tokens: the most tokens of one completion.
        schema: JSON schema that the answer shall have; a server that cannot enforce it is not told.
    """

    messages: tuple[Mapping[str, Any], ...]
    n: int = 1
    temperature: float = 0.0
    seed: int = 0
    max_tokens: int = 1024
    schema: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class ChatResult:
    """One completion: its text, why it ended, and what it used (the prompt counts in the first of several)."""

    text: str
    finish_reason: str
    prompt_tokens: int
    completion_tokens: int


class NoAnswerError(Exception):
    """A chat model gave no answer to one request. Caught where the model is asked, and recorded as a `Failure`."""

    def __init__(self, kind: FailureKind, text: str, *, attempts: int = 1) -> None:
        super().__init__(text)
        self.kind = kind
        self.attempts = attempts


@runtime_checkable
class Chat(Protocol):
    """A chat model."""

    @property
    def model(self) -> str:
        """Name of the model, for provenance."""
        ...

    @property
    def reads_images(self) -> bool:
        """Whether messages may hold images."""
        ...

    async def complete(self, request: ChatRequest) -> list[ChatResult]:
        """Give ``request.n`` completions.

        Raises:
            NoAnswerError: no answer could be had; the run goes on without it.
        """
        ...


@dataclass(frozen=True, slots=True)
class ReviewCase:
    """What a reviewer sees: the current wording, what it retrieved, and the target it should have found."""

    query: Query
    original_text: str
    ranking: Ranking
    target: str
    round: int


@dataclass(frozen=True, slots=True)
class Reviewed:
    """A review, or why there is none, and what it took."""

    answer: Review | Failure
    cost: Cost = field(default_factory=Cost)


@runtime_checkable
class Reviewer(Protocol):
    """The teacher of the mining loop (RAQO Figure 3, 'review'). It sees ground truth, so it is never served."""

    @property
    def name(self) -> str:
        """Identifies reviewer and model, for provenance."""
        ...

    @property
    def prompt_hash(self) -> str:
        """Hash of the prompts in use; empty where there are none."""
        ...

    def review(self, cases: Sequence[ReviewCase]) -> list[Reviewed]:
        """Review each case, in the order given. Several threads may call it at once."""
        ...


@dataclass(frozen=True, slots=True)
class Perturbation:
    """An unambiguous query with common words replaced by rare ones; `concepts` are the rare words."""

    text: str
    concepts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Perturbed:
    """Variants of one query, likeliest to confuse first and possibly none; or why there are none; and what it took."""

    answer: tuple[Perturbation, ...] | Failure
    cost: Cost = field(default_factory=Cost)


@runtime_checkable
class Perturber(Protocol):
    """Proposes rare-synonym variants of unambiguous queries (RAQO, 'Unambiguous Query Perturbation')."""

    def perturb(self, texts: Sequence[str]) -> list[Perturbed]:
        """Propose variants of each text, in the order given. Several threads may call it at once."""
        ...


@runtime_checkable
class Rewriter(Protocol):
    """The trained model as served: detect, then rewrite (RAQO, ReCoT)."""

    @property
    def fingerprint(self) -> str:
        """Identifies the weights."""
        ...

    def detect(self, texts: Sequence[str]) -> list[tuple[str, ...] | None]:
        """ReCoT step 1: challenging concepts of each text; an empty tuple if there are none, None without an answer."""
        ...

    def rewrite(self, texts: Sequence[str], concepts: Sequence[tuple[str, ...]], *, n: int = 1) -> list[list[str]]:
        """ReCoT step 2: up to n rewrites of each text, best first."""
        ...


@dataclass(frozen=True, slots=True)
class Resolution:
    """What a question about a picture asks about, as far as the question and the picture's description tell.

    Attributes:
        text: the question with what points at the picture replaced by its name; as it came where nothing was found.
        implicit: keywords that only the picture gives, with their likelihoods (0 to 1), likeliest first.
        pointing: words of the question, casefolded, that only point at the picture: *this animal*, *left of the car*.
    """

    text: str
    implicit: tuple[tuple[str, float], ...] = ()
    pointing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TriedExpansion:
    """An expansion with what it found: the passages as evidence, best first, and its score without ground truth."""

    text: str
    score: float
    passages: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpansionCase:
    """What an expander sees of one question: never its answers.

    Attributes:
        query: the question as it came, with its picture where there is one.
        caption: what the picture shows, in words; may be empty.
        resolution: what the question asks about.
        passages: what was retrieved so far, best first (QueryFormer: the top 3 of BM25).
        tried: expansions to improve upon, best first; empty in the generation phase.
    """

    query: Query
    caption: str
    resolution: Resolution
    passages: tuple[str, ...] = ()
    tried: tuple[TriedExpansion, ...] = ()


@dataclass(frozen=True, slots=True)
class Resolved:
    """A resolution, or why there is none, and what it took."""

    answer: Resolution | Failure
    cost: Cost = field(default_factory=Cost)


@runtime_checkable
class Resolver(Protocol):
    """Multimodal query rewriting: says what *this animal* is (QueryFormer, query preprocessing)."""

    def resolve(self, queries: Sequence[Query], captions: Sequence[str]) -> list[Resolved]:
        """Resolve each question by its picture's description, in the order given."""
        ...


@dataclass(frozen=True, slots=True)
class Expanded:
    """Expansions of one question, likeliest first and possibly fewer than wanted; or why there are none; the cost."""

    answer: tuple[str, ...] | Failure
    cost: Cost = field(default_factory=Cost)


@runtime_checkable
class Expander(Protocol):
    """Proposes words to add to questions, and better ones than were tried (QueryFormer, generation and optimisation).

    An expansion is plain text: keywords or a sentence that the wanted passage may hold.
    """

    @property
    def name(self) -> str:
        """Identifies method and model, for provenance."""
        ...

    @property
    def prompt_hash(self) -> str:
        """Hash of the prompts in use; empty where there are none."""
        ...

    def expand(self, cases: Sequence[ExpansionCase], *, n: int, temperature: float) -> list[Expanded]:
        """Propose up to n expansions of each question, in the order given; without chance there is no temperature."""
        ...


@runtime_checkable
class TraceSink(Protocol):
    """Where finished traces go."""

    def write(self, traces: Sequence[Trace]) -> None:
        """Append traces; they are on disk when the call returns."""
        ...
