"""The few interfaces everything is built against. Batch first, keyword-only options, no base classes to inherit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from raqo.records import Cost, Failure, Query, Ranking, Review, Trace

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


@dataclass(frozen=True, slots=True)
class ChatResult:
    """One completion: its text, why it ended, and what it used."""

    text: str
    finish_reason: str
    prompt_tokens: int
    completion_tokens: int


@runtime_checkable
class Chat(Protocol):
    """A chat model. Messages are in the OpenAI form; images are data URLs inside the content parts."""

    @property
    def model(self) -> str:
        """Name of the model, for provenance."""
        ...

    def complete(
        self,
        messages: Sequence[Mapping[str, Any]],
        *,
        n: int = 1,
        temperature: float = 0.0,
        seed: int = 0,
        schema: Mapping[str, Any] | None = None,
    ) -> list[ChatResult]:
        """Give n completions of one conversation."""
        ...


@dataclass(frozen=True, slots=True)
class ReviewCase:
    """What a reviewer sees: the current wording, what it retrieved, and the target it should have found."""

    query: Query
    original_text: str
    ranking: Ranking
    target: str
    round: int


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

    def review(self, cases: Sequence[ReviewCase]) -> list[Review | Failure]:
        """Review each case, in the order given."""
        ...


@runtime_checkable
class Metered(Protocol):
    """A `Reviewer` that knows what its answers took."""

    def last_costs(self) -> list[Cost]:
        """What the last call of `Reviewer.review` took, case by case."""
        ...


@dataclass(frozen=True, slots=True)
class Perturbation:
    """An unambiguous query with common words replaced by rare ones; `concepts` are the rare words."""

    text: str
    concepts: tuple[str, ...]


@runtime_checkable
class Perturber(Protocol):
    """Proposes rare-synonym variants of unambiguous queries (RAQO, 'Unambiguous Query Perturbation')."""

    def perturb(self, texts: Sequence[str]) -> list[list[Perturbation]]:
        """Propose variants of each text, likeliest to confuse first; possibly none."""
        ...


@runtime_checkable
class Rewriter(Protocol):
    """The trained model as served: detect, then rewrite (RAQO, ReCoT)."""

    @property
    def fingerprint(self) -> str:
        """Identifies the weights."""
        ...

    def detect(self, texts: Sequence[str]) -> list[tuple[str, ...]]:
        """ReCoT step 1: challenging concepts of each text; an empty tuple stands for ``None``."""
        ...

    def rewrite(self, texts: Sequence[str], concepts: Sequence[tuple[str, ...]], *, n: int = 1) -> list[list[str]]:
        """ReCoT step 2: up to n rewrites of each text, best first."""
        ...


@runtime_checkable
class TraceSink(Protocol):
    """Where finished traces go."""

    def write(self, traces: Sequence[Trace]) -> None:
        """Append traces; they are on disk when the call returns."""
        ...
