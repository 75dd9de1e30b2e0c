"""Every value handed from one part to another or written to disk, as frozen dataclasses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

OnError = Literal["fail", "skip"]
"""What a bad entry of a data set does: end the run with one clear error, or be left out, counted and said."""


class Direction(StrEnum):
    """Which side is the query: text searching images (``t2i``) or an image searching texts (``i2t``)."""

    T2I = "t2i"
    I2T = "i2t"


class Verdict(StrEnum):
    """How well a retriever understood a query, by the rank of its target (RAQO, 'Query Ambiguity Assessment')."""

    UNAMBIGUOUS = "unambiguous"
    UNDECIDED = "undecided"
    AMBIGUOUS = "ambiguous"


class Origin(StrEnum):
    """Which half of MPADE made a trace: an ambiguous query optimised, or an unambiguous one perturbed."""

    OPTIMIZE = "optimize"
    PERTURB = "perturb"


class FailureKind(StrEnum):
    """Why no answer came; failures are rows, never text inside the data."""

    UNPARSABLE = "unparsable"
    EMPTY = "empty"
    REFUSED = "refused"
    TRANSPORT = "transport"
    TIMEOUT = "timeout"
    RATE_LIMIT = "rate_limit"
    SERVER = "server"


class KeptReason(StrEnum):
    """Why the served graph kept the original query; ``NONE`` means that it was rewritten."""

    NONE = "rewritten"
    CONFIDENT = "the first pass is confident already"
    NO_CONCEPT = "no challenging concept was found"
    NO_ANSWER = "the rewriter gave no answer"
    EMPTY = "the rewriter gave no text"
    UNCHANGED = "the rewrite equals the query"
    GROWN = "the rewrite says more than the query"
    TOO_LONG = "the rewrite is longer than the encoder can read"
    LESS_CONFIDENT = "the retriever is less confident about the rewrite"


@dataclass(frozen=True, slots=True)
class Query:
    """A search request: text, an image path, or both. It never knows its target."""

    query_id: str
    text: str = ""
    image: str | None = None


@dataclass(frozen=True, slots=True)
class Document:
    """One entry of a gallery or corpus: a text or an image path."""

    doc_id: str
    text: str | None = None
    image: str | None = None


@dataclass(frozen=True, slots=True)
class RetrievalDataset:
    """Documents, queries and the ground truth between them, for one split.

    Attributes:
        documents: in memory, or read from disk.
        targets: query id -> ids of the relevant documents (never empty). Used in mining and evaluation only.
        reference: query id -> an alternative wording known to suit the retriever, where one exists (the sample world).
    """

    name: str
    split: str
    documents: Sequence[Document]
    queries: tuple[Query, ...]
    targets: Mapping[str, tuple[str, ...]]
    reference: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Question:
    """A question about a picture, with what people answered and where the answer stands.

    Attributes:
        query: the question as asked, with its picture where there is one. Its text alone is often ambiguous.
        answers: answer as people gave it -> its votes or weight, the most frequent first.
        stemmed: the same for the stemmed form of the answers (OK-VQA has both); empty where a data set has none.
        targets: ids of the passages named as right; empty where only the answers tell (pseudo-relevance).
        caption: a description of the picture; empty where a data set has none.
        reference: the question with its object named in the corpus's words (the sample world); else empty.
    """

    query: Query
    answers: Mapping[str, float]
    stemmed: Mapping[str, float] = field(default_factory=dict)
    targets: tuple[str, ...] = ()
    caption: str = ""
    reference: str = ""


@dataclass(frozen=True, slots=True)
class KnowledgeDataset:
    """Questions of one split, and the passages in which their answers are looked for, in memory or read from disk."""

    name: str
    split: str
    documents: Sequence[Document]
    questions: tuple[Question, ...]


@dataclass(frozen=True, slots=True)
class Hit:
    """One retrieved document with its score (higher is better)."""

    doc_id: str
    score: float


@dataclass(frozen=True, slots=True)
class Ranking:
    """The hits of one query, best first."""

    query_id: str
    hits: tuple[Hit, ...]

    def rank_of(self, doc_id: str) -> int | None:
        """1-based rank of a document, ties counted against it; ``None`` if it is not among the hits."""
        score = next((hit.score for hit in self.hits if hit.doc_id == doc_id), None)
        if score is None:
            return None
        return sum(hit.score >= score for hit in self.hits)

    def best_rank(self, doc_ids: tuple[str, ...]) -> int | None:
        """The best `rank_of` among several relevant documents."""
        return min((rank for doc_id in doc_ids if (rank := self.rank_of(doc_id)) is not None), default=None)


@dataclass(frozen=True, slots=True)
class Review:
    """A reviewer's reading of one retrieval (RAQO Figure 3): what differs, why the retriever failed, what to try.

    Attributes:
        difference: how the retrieved documents differ from the target.
        weakness: what the retriever seems not to understand.
        concepts: the words or phrases of the query that confuse the retriever.
        rewrites: proposed queries, best first.
    """

    difference: str
    weakness: str
    concepts: tuple[str, ...]
    rewrites: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Failure:
    """A typed failure of one query.

    Attributes:
        message: what the server or the parser said, shortened.
        attempts: requests made before giving up.
    """

    kind: FailureKind
    message: str
    round: int
    attempts: int = 1


@dataclass(frozen=True, slots=True)
class Attempt:
    """One wording tried against the retriever.

    Attributes:
        round: 0 for the query as it came, then 1, 2, ...
        concepts: the challenging concepts this wording replaced (cumulative; for a perturbation: the words put in).
        rank: 1-based rank of the target, or None if it lies beyond the searched depth.
        similarity: retriever similarity of this wording with the target (raw, e.g. a cosine).
        text_similarity: sentence-encoder cosine with the original query.
        accepted: whether it met the criterion of its origin (unambiguous, or a significant drop).
    """

    round: int
    text: str
    concepts: tuple[str, ...]
    rank: int | None
    similarity: float
    verdict: Verdict
    text_similarity: float
    accepted: bool


@dataclass(frozen=True, slots=True)
class Cost:
    """What a trace took."""

    retriever_queries: int = 0
    chat_calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Provenance:
    """Under which conditions a trace was made. Traces of different `retriever` fingerprints are never mixed."""

    retriever: str
    gallery_size: int
    reviewer: str
    prompt_hash: str
    seed: int
    code_version: str


@dataclass(frozen=True, slots=True)
class Trace:
    """Everything that mining learnt about one query: the atomic record of the preference data.

    Attributes:
        raw: the query as it came (round 0).
        attempts: all wordings tried later, in the order tried.
    """

    query_id: str
    target: str
    origin: Origin
    raw: Attempt
    attempts: tuple[Attempt, ...]
    reviews: tuple[Review, ...]
    failure: Failure | None
    cost: Cost
    provenance: Provenance


@dataclass(frozen=True, slots=True)
class RewriteResult:
    """What the served graph did with one query, and why."""

    query: Query
    concepts: tuple[str, ...]
    rewrite: str
    final_text: str
    kept: KeptReason
    before: Ranking
    after: Ranking
