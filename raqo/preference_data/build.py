"""Pure function from traces to D_CCD, D_QRE and D_PRO (RAQO, 'Dataset Construction and Categorization')."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass, field
from statistics import pstdev

from raqo.errors import ConfigError, FingerprintError, message
from raqo.preference_data.filters import DropReason, filter_attempts, normalise
from raqo.preference_data.ranking import Negatives, candidate_list, rank
from raqo.preference_data.rows import (
    CCDRow,
    PairRow,
    PromptRenderer,
    PRORow,
    QRERow,
    Source,
    ccd_row,
    pairs_of,
    pro_row,
    qre_row,
)
from raqo.records import Attempt, Cost, Origin, Provenance, Trace, Verdict


@dataclass(frozen=True, kw_only=True, slots=True)
class BuildSettings:
    """How traces become rows.

    Attributes:
        min_text_similarity: sentence cosine with the query below which a wording is dropped. The paper names no value:
            calibrate it for the encoder in use. With all-MiniLM-L6-v2, 95% of the pairs of human captions of one COCO
            photo lie above 0.35 (80% above 0.5), 95% of those of different photos below 0.32.
        ranking_length: most candidates of a list (paper: 5).
        min_candidates: lists with fewer are dropped; at least 2.
        negatives: which wordings that failed, the query itself among them, stand at the lower end of a list:
            ``accepted`` none (paper), ``attempts`` only where fewer than `min_candidates` were accepted, ``always`` in
            every list with room.
        none_share: unambiguous queries with concept ``None`` per ambiguous row (paper: 'some').
        alike_within: wordings whose similarities differ by no more than this share of the log's `similarity_spread` are
            alike: of them the one proposed first stands in the list, and at its head it is what D_QRE teaches. One
            target says little about small differences; measured in docs/experiments.md.
        seed: which unambiguous queries are taken.
    """

    min_text_similarity: float = 0.5
    ranking_length: int = 5
    min_candidates: int = 2
    negatives: Negatives = "attempts"
    none_share: float = 1.0
    alike_within: float = 0.25
    seed: int = 0

    def __post_init__(self) -> None:
        if not 2 <= self.min_candidates <= self.ranking_length:
            problem = (
                f"expected 2 <= min_candidates <= ranking_length, got {self.min_candidates}, {self.ranking_length}"
            )
            raise ConfigError(message("build", problem, "correct one of them"))
        if self.none_share < 0 or self.alike_within < 0:
            raise ConfigError(message("build", "none_share and alike_within cannot be negative", "correct them"))


@dataclass(frozen=True, slots=True)
class PreferenceData:
    """The rows, each table sorted by id, and how they came about.

    Attributes:
        min_gap: similarities no further apart counted as alike.
        drops: reason -> count, of wordings, lists and traces.
        cost: what all traces together took.
        provenance: of the first trace by id; None without traces. All traces share its retriever.
    """

    ccd: tuple[CCDRow, ...]
    qre: tuple[QRERow, ...]
    pro: tuple[PRORow, ...]
    pairs: tuple[PairRow, ...]
    settings: BuildSettings
    min_gap: float
    traces: Mapping[str, int]
    drops: Mapping[str, int]
    cost: Cost
    provenance: Provenance | None


@dataclass(slots=True)
class _Draft:
    """Rows under construction."""

    settings: BuildSettings
    prompts: PromptRenderer
    min_gap: float
    ccd: list[CCDRow] = field(default_factory=list)
    qre: list[QRERow] = field(default_factory=list)
    pro: list[PRORow] = field(default_factory=list)
    unambiguous: dict[str, str] = field(default_factory=dict)
    plain: set[str] = field(default_factory=set)
    drops: Counter[str] = field(default_factory=Counter)
    cost: Cost = field(default_factory=Cost)


def similarity_spread(traces: Iterable[Trace]) -> float:
    """Standard deviation of the similarities of the queries as they came, in the retriever's units; 0 for one query."""
    found = [trace.raw.similarity for trace in traces if trace.origin is Origin.OPTIMIZE]
    return pstdev(found) if found else 0.0


def build(
    traces: Iterable[Trace], settings: BuildSettings, prompts: PromptRenderer, *, spread: float = 0.0
) -> PreferenceData:
    """Make the preference data; the order of the traces does not matter, and of a repeated one the first counts.

    Args:
        traces: read once, one at a time.
        settings: thresholds and shares.
        prompts: renders prompts, for example the module ``raqo.agents.prompts``.
        spread: `similarity_spread` of the same traces; 0 tells all wordings apart that are not equal.

    Raises:
        FingerprintError: traces of two retrievers.
    """
    draft = _Draft(settings, prompts, min_gap=settings.alike_within * spread)
    first: Trace | None = None
    seen: set[tuple[str, Origin]] = set()
    counts: Counter[str] = Counter()
    for trace in traces:
        _check_retriever(trace, first)
        if (trace.query_id, trace.origin) in seen:
            draft.drops[DropReason.REPEATED_TRACE.value] += 1
            continue
        seen.add((trace.query_id, trace.origin))
        counts[trace.origin.value] += 1
        _add(draft, trace)
        if first is None or (trace.query_id, trace.origin) < (first.query_id, first.origin):
            first = trace
    _balance(draft)
    pro = tuple(sorted(draft.pro, key=lambda row: row.id))
    return PreferenceData(
        ccd=tuple(sorted(draft.ccd, key=lambda row: row.id)),
        qre=tuple(sorted(draft.qre, key=lambda row: row.id)),
        pro=pro,
        pairs=tuple(pair for row in pro for pair in pairs_of(row)),
        settings=settings,
        min_gap=draft.min_gap,
        traces=dict(sorted(counts.items())),
        drops=dict(sorted(draft.drops.items())),
        cost=draft.cost,
        provenance=first.provenance if first else None,
    )


def _check_retriever(trace: Trace, first: Trace | None) -> None:
    if first is not None and trace.provenance.retriever != first.provenance.retriever:
        problem = f"made with retriever {trace.provenance.retriever}, others with {first.provenance.retriever}"
        raise FingerprintError(message(f"trace {trace.query_id!r}", problem, "build from the traces of one retriever"))


def _add(draft: _Draft, trace: Trace) -> None:
    draft.cost = Cost(*(a + b for a, b in zip(astuple(draft.cost), astuple(trace.cost), strict=True)))
    if trace.failure is not None:
        draft.drops[f"failure: {trace.failure.kind.value}"] += 1
    if trace.raw.verdict is Verdict.UNAMBIGUOUS:
        draft.unambiguous.setdefault(trace.query_id, trace.raw.text)
        if trace.origin is Origin.PERTURB and trace.attempts:
            draft.plain.add(trace.query_id)
    if trace.raw.verdict is Verdict.UNDECIDED:
        draft.drops[DropReason.UNDECIDED.value] += 1
        return
    kept, dropped = filter_attempts(
        trace.raw.text, trace.attempts, min_text_similarity=draft.settings.min_text_similarity
    )
    draft.drops.update(reason.value for reason in dropped)
    accepted = [attempt for attempt in kept if attempt.accepted]
    if not accepted:
        if trace.attempts:
            draft.drops[DropReason.NO_ATTEMPT.value] += 1
    elif trace.origin is Origin.OPTIMIZE:
        _add_optimized(draft, trace, kept, accepted)
    else:
        _add_perturbed(draft, trace, kept, accepted)


def _add_optimized(draft: _Draft, trace: Trace, kept: list[Attempt], accepted: list[Attempt]) -> None:
    """An ambiguous query: the best accepted rewrite is the answer, failed wordings and the query itself are worse."""
    best = rank(accepted, min_gap=draft.min_gap)[0]
    worse = [attempt for attempt in kept if not attempt.accepted]
    _add_rows(draft, trace, trace.raw.text, best.concepts, accepted, [*worse, trace.raw], "optimize")


def _add_perturbed(draft: _Draft, trace: Trace, kept: list[Attempt], accepted: list[Attempt]) -> None:
    """An unambiguous query made ambiguous: the variant that dropped most is the query, the original its rewrite."""
    variant = min(accepted, key=lambda attempt: attempt.similarity)
    clear = [attempt for attempt in kept if attempt.verdict is Verdict.UNAMBIGUOUS and attempt is not variant]
    worse = [attempt for attempt in kept if attempt not in clear]
    good = [trace.raw, *(attempt for attempt in clear if attempt.similarity < trace.raw.similarity)]
    _add_rows(draft, trace, variant.text, variant.concepts, good, worse, "perturb")


def _add_rows(
    draft: _Draft,
    trace: Trace,
    query: str,
    concepts: tuple[str, ...],
    good: list[Attempt],
    worse: list[Attempt],
    source: Source,
) -> None:
    if not concepts:
        draft.drops[DropReason.NO_CONCEPT.value] += 1
        return
    settings = draft.settings
    best = rank(good, min_gap=draft.min_gap)[0]
    draft.ccd.append(ccd_row(trace.query_id, query, concepts, source, draft.prompts))
    draft.qre.append(qre_row(trace.query_id, query, concepts, best, source, draft.prompts))
    ranked = candidate_list(
        good,
        worse,
        negatives=settings.negatives,
        min_candidates=settings.min_candidates,
        length=settings.ranking_length,
        min_gap=draft.min_gap,
    )
    if len(ranked) < settings.min_candidates:
        draft.drops[DropReason.SHORT_LIST.value] += 1
        return
    draft.pro.append(pro_row(trace.query_id, query, concepts, ranked, source, draft.prompts))


def _balance(draft: _Draft) -> None:
    """Add unambiguous queries with concept None, chosen by a hash of seed and id, whatever the order of the traces.

    A target within the first ranks does not prove that every word was understood. Where queries could be perturbed,
    only these are taken: their perturber found them said in words that the retriever prefers.
    """
    ambiguous = {normalise(row.query) for row in draft.ccd}
    wanted = round(draft.settings.none_share * len(draft.ccd))
    free = {key: text for key, text in draft.unambiguous.items() if normalise(text) not in ambiguous}
    draft.drops[DropReason.CONFLICT.value] += len(draft.unambiguous) - len(free)
    draft.drops = +draft.drops
    if draft.plain:
        free = {key: text for key, text in free.items() if key in draft.plain}
    chosen = sorted(free, key=lambda key: hashlib.sha256(f"{draft.settings.seed}:{key}".encode()).digest())[:wanted]
    draft.ccd.extend(ccd_row(key, free[key], (), "balance", draft.prompts) for key in chosen)
