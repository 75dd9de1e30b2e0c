"""`raqo mine --dry-run`: what mining would take, from a sample of the queries and without one paid call.

The sample goes through the mining graph itself, with a chat model that measures every prompt and answers none. What no
sample can tell is how soon reviews succeed and how long answers are: for these there are assumptions, and bounds.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from raqo.agents.chat.settings import ChatSettings
from raqo.agents.chat.wire import calls
from raqo.agents.perturber import ChatPerturber
from raqo.agents.reviewer import ChatReviewer
from raqo.agents.vocabulary import count_phrases
from raqo.config import RunConfig
from raqo.graphs.mining import mine
from raqo.preference_data.trace_log import read_traces
from raqo.protocols import ChatRequest, ChatResult, NoAnswerError, Retriever
from raqo.records import FailureKind, Origin, RetrievalDataset, Trace, Verdict
from raqo.retrievers.bm25.stored_passages import documents_by_id
from raqo.workflows.parts import Parts
from raqo.workflows.run_folder import RunFolder
from raqo.workflows.teachers import review_settings

SAMPLED = 100
# Assumed lengths of answers: four short fields; up to four queries.
_REVIEW_TOKENS, _PERTURB_TOKENS = 200, 120
_BYTES_PER_TOKEN = 4
# An answer that cannot be read is asked for once more.
_ASKED_AT_MOST = 2


@dataclass(frozen=True, slots=True)
class Range:
    """An amount that is expected, and the most that it can be."""

    expected: float
    at_most: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """What mining would take.

    Attributes:
        queries: still to be mined.
        sampled: of these, looked at; shares and prompt sizes are theirs.
        shares: share of the sample by verdict.
        taken: amounts by name; ``money`` where the price of the model is known.
    """

    queries: int
    sampled: int
    shares: Mapping[str, float]
    taken: Mapping[str, Range]


class _Measuring:
    """A `raqo.protocols.Chat` that takes down the tokens of every prompt and answers none."""

    def __init__(self, settings: ChatSettings | None) -> None:
        self.model = settings.model if settings else "none"
        self.reads_images = True
        self.prompts: list[Range] = []
        self._settings = settings

    async def complete(self, request: ChatRequest) -> list[ChatResult]:
        """Measure.

        Raises:
            NoAnswerError: always.
        """
        if self._settings:
            bound = calls(request, self._settings)[0].bound.prompt
            parts = [part for entry in request.messages for part in entry["content"] if isinstance(part, dict)]
            images = sum(part["type"] == "image_url" for part in parts) * self._settings.image_tokens
            self.prompts.append(Range((bound - images) / _BYTES_PER_TOKEN + images, bound))
        raise NoAnswerError(FailureKind.EMPTY, "measured only")

    def size(self) -> Range:
        """Mean and largest prompt."""
        expected = [prompt.expected for prompt in self.prompts]
        return Range(sum(expected) / max(len(expected), 1), max((p.at_most for p in self.prompts), default=0))


class _Verdicts:
    """A `raqo.protocols.TraceSink` that keeps nothing else."""

    def __init__(self) -> None:
        self.counts: Counter[Verdict] = Counter()

    def write(self, traces: Sequence[Trace]) -> None:
        """Count."""
        self.counts.update(trace.raw.verdict for trace in traces if trace.origin is Origin.OPTIMIZE)


def estimate(parts: Parts, out: Path) -> Estimate:
    """Estimate what the queries that are not in a run's log yet would take. Indexes the gallery where no index is kept.

    Args:
        parts: of the run.
        out: the run folder, which need not be there; nothing is written to it.
    """
    dataset, retriever = parts.searchable("train")
    folder = RunFolder(out)
    if folder.traces.is_file():
        done = {trace.query_id for trace in read_traces(folder.traces) if trace.origin is Origin.OPTIMIZE}
        dataset = replace(dataset, queries=tuple(query for query in dataset.queries if query.query_id not in done))
    sample = sorted(dataset.queries, key=lambda query: hashlib.sha256(query.query_id.encode()).digest())[:SAMPLED]
    chat = parts.config.chat if parts.config.reviewer == "chat" else None
    reviews, perturbations, verdicts = _Measuring(chat), _Measuring(chat), _Verdicts()
    _measure(parts, replace(dataset, queries=tuple(sample)), retriever, reviews, perturbations, verdicts)
    shares = {verdict.value: verdicts.counts[verdict] / max(len(sample), 1) for verdict in Verdict}
    counts = {name: share * len(dataset.queries) for name, share in shares.items()}
    if chat:
        taken = _chat_taken(parts.config, chat, counts, reviews.size(), perturbations.size())
    else:
        learnt = folder.lexicon.is_file()
        taken = _lexical_taken(parts.config, counts, len(dataset.queries), 0 if learnt else _learning(parts, dataset))
    return Estimate(len(dataset.queries), len(sample), shares, taken)


def _measure(
    parts: Parts,
    sample: RetrievalDataset,
    retriever: Retriever,
    reviews: _Measuring,
    perturbations: _Measuring,
    verdicts: _Verdicts,
) -> None:
    settings = replace(parts.config.mining, seed=parts.config.seed, max_failure_rate=1.0)
    if parts.config.reviewer == "lexical":
        settings = replace(settings, max_rounds=0, perturb_share=0.0)
    documents = documents_by_id(sample.documents)
    mine(
        sample,
        retriever=retriever,
        reviewer=ChatReviewer(chat=reviews, documents=documents, settings=review_settings(parts.config)),
        perturber=ChatPerturber(perturbations),
        text_encoder=parts.text_encoder,
        sink=verdicts,
        settings=settings,
    )


def _rounds(config: RunConfig, samples: int) -> Range:
    """Rounds of one ambiguous query: half way between the fewest that can give enough rewrites, and all."""
    fewest = min(math.ceil(config.mining.max_accepted / samples), config.mining.max_rounds)
    return Range((fewest + config.mining.max_rounds) / 2, config.mining.max_rounds)


def _chat_taken(
    config: RunConfig, chat: ChatSettings, counts: Mapping[str, float], review: Range, perturb: Range
) -> dict[str, Range]:
    rounds = _rounds(config, min(config.mining.samples_per_round, config.review.samples))
    perturbed = counts["unambiguous"] * config.mining.perturb_share
    reviews = Range(counts["ambiguous"] * rounds.expected, counts["ambiguous"] * rounds.at_most * _ASKED_AT_MOST)
    perturbations = Range(perturbed, perturbed * _ASKED_AT_MOST)
    longest = config.review.max_tokens
    # the second time of asking, the first answer is part of the prompt
    prompt = Range(
        reviews.expected * review.expected + perturbations.expected * perturb.expected,
        reviews.at_most * (review.at_most + longest) + perturbations.at_most * (perturb.at_most + longest),
    )
    completion = Range(
        reviews.expected * _REVIEW_TOKENS + perturbations.expected * _PERTURB_TOKENS,
        (reviews.at_most + perturbations.at_most) * longest,
    )
    taken = {"reviews": reviews, "perturbations": perturbations, "prompt tokens": prompt}
    taken["completion tokens"] = completion
    if price := chat.price:
        taken["money"] = Range(
            (prompt.expected * price.prompt + completion.expected * price.completion) / 1e6,
            (prompt.at_most * price.prompt + completion.at_most * price.completion) / 1e6,
        )
    return taken


def _lexical_taken(config: RunConfig, counts: Mapping[str, float], queries: int, learning: float) -> dict[str, Range]:
    """Every wording is one search and one similarity."""
    mining, samples = config.mining, config.mining.samples_per_round
    rounds = _rounds(config, samples)
    perturbed = counts["unambiguous"] * mining.perturb_share
    asked = Range(
        2 * (queries + counts["ambiguous"] * rounds.expected * samples + perturbed),
        2 * (queries + counts["ambiguous"] * rounds.at_most * samples + perturbed * mining.perturb_samples),
    )
    return {"retriever queries, lexicon": Range(learning / 2, learning), "retriever queries, mining": asked}


def _learning(parts: Parts, dataset: RetrievalDataset) -> float:
    """Similarities that learning the lexicon asks for at most; about half, as many are asked for once only."""
    settings = parts.config.lexicon
    counts = count_phrases((query.text for query in dataset.queries), max_words=settings.max_words)
    first = sum(min(count, settings.first_queries) for count in counts.values())
    more = sum(min(max(count - settings.first_queries, 0), settings.more_queries) for count in counts.values())
    targets = min(len(dataset.queries), 2 * first)
    seen = min(settings.seen_among, len(counts)) * targets
    return seen + 2 * (first * (settings.neighbours + settings.seen) + more * settings.survivors)


def as_table(found: Estimate) -> str:
    """The estimate for people."""
    shares = ", ".join(f"{share:.0%} {verdict}" for verdict, share in found.shares.items())
    lines = [f"{found.queries} queries to mine; of {found.sampled} sampled: {shares}"]
    lines.append(f"{'':28}{'expected':>14}{'at most':>14}")
    for name, amount in found.taken.items():
        digits = 2 if name == "money" else 0
        lines.append(f"{name:28}{amount.expected:>14,.{digits}f}{amount.at_most:>14,.{digits}f}")
    return "\n".join(lines)
