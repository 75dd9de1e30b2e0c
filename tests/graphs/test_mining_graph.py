from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from mining_toy import (
    CAPTIONS,
    ListSink,
    ScriptedPerturber,
    ScriptedReviewer,
    ToyRetriever,
    ToySentenceEncoder,
    dataset,
)

from raqo.errors import ConfigError, DataError
from raqo.graphs.mining import MiningReport, mine
from raqo.graphs.mining_nodes import merge_concepts
from raqo.graphs.settings import MiningSettings
from raqo.protocols import FloatArray, Perturbation
from raqo.records import (
    Cost,
    Failure,
    FailureKind,
    Hit,
    Origin,
    Query,
    Ranking,
    RetrievalDataset,
    Review,
    Trace,
    Verdict,
)

RED_BOAT = "a red boat in the forest"
HARD = ("a crimson dinghy in the timberland", RED_BOAT)


def run(data: RetrievalDataset, reviewer: ScriptedReviewer | None = None, **options: object) -> list[Trace]:
    sink = ListSink()
    arguments: dict[str, object] = {
        "retriever": ToyRetriever(),
        "reviewer": reviewer or ScriptedReviewer({}),
        "perturber": ScriptedPerturber(),
        "text_encoder": ToySentenceEncoder(),
        "sink": sink,
    }
    report = mine(data, **{**arguments, **options})  # type: ignore[arg-type]
    assert isinstance(report, MiningReport)
    return sink.traces


def rewriting(*texts: str, concepts: tuple[str, ...] = ("dinghy",)) -> Review:
    return Review("differs", "weak", concepts, texts)


class RankedRetriever:
    """Puts the target of every query at the rank that the query's text names."""

    fingerprint, size = "ranked", 100

    def search(self, queries: list[Query], *, k: int) -> list[Ranking]:
        return [Ranking(q.query_id, self._hits(int(q.text.split()[0]), k)) for q in queries]

    def _hits(self, rank: int, k: int) -> tuple[Hit, ...]:
        ids = [f"n{place}" for place in range(99)]
        ids.insert(rank - 1, "target")
        return tuple(Hit(doc_id, 1.0 - place / 100) for place, doc_id in enumerate(ids[:k]))

    def similarity(self, queries: list[Query], doc_ids: list[str]) -> FloatArray:
        return np.array([1.0 - int(q.text.split()[0]) / 100 for q in queries], dtype=np.float32)

    def fits(self, texts: list[str]) -> list[bool]:
        return [True] * len(texts)


def ranked_dataset(*texts: str) -> RetrievalDataset:
    queries = tuple(Query(f"q{at}", text) for at, text in enumerate(texts))
    return RetrievalDataset("ranked", "train", (), queries, {query.query_id: ("target",) for query in queries})


@pytest.mark.parametrize(
    ("rank", "verdict", "reviewed"),
    [
        (1, Verdict.UNAMBIGUOUS, False),
        (5, Verdict.UNAMBIGUOUS, False),
        (6, Verdict.UNDECIDED, False),
        (10, Verdict.UNDECIDED, False),
        (11, Verdict.AMBIGUOUS, True),
        (50, Verdict.AMBIGUOUS, True),
        (51, Verdict.AMBIGUOUS, True),
    ],
)
def test_verdicts_follow_the_paper(rank: int, verdict: Verdict, reviewed: bool) -> None:
    reviewer = ScriptedReviewer({})
    *_, trace = run(ranked_dataset(f"{rank} cats"), reviewer, retriever=RankedRetriever())
    assert trace.raw.verdict is verdict
    assert trace.raw.rank == (rank if rank <= 50 else None)
    assert bool(reviewer.cases) == reviewed
    assert trace.attempts == ()
    assert trace.origin is Origin.OPTIMIZE


@pytest.mark.parametrize(("rank", "accepted"), [(5, True), (6, False), (10, False), (11, False), (60, False)])
def test_a_rewrite_is_accepted_in_the_top_five_only(rank: int, accepted: bool) -> None:
    reviewer = ScriptedReviewer({"q0": [Review("", "", ("cats",), (f"{rank} cats sleep",))]})
    (trace,) = run(ranked_dataset("40 cats sleep"), reviewer, retriever=RankedRetriever())
    assert [attempt.accepted for attempt in trace.attempts] == [accepted]


def test_ties_count_against_the_target() -> None:
    captions = [RED_BOAT] * 12 + ["a blue dog in the city"]
    data = RetrievalDataset("ties", "train", (), (Query("q0", RED_BOAT),), {"q0": ("d000",)})
    (trace,) = run(data, retriever=ToyRetriever(captions))
    assert trace.raw.rank == 12
    assert trace.raw.verdict is Verdict.AMBIGUOUS


def test_the_loop_never_exceeds_its_rounds() -> None:
    endless = [rewriting(f"a crimson dinghy in the shore {n}", f"a steed {n} dinghy crimson") for n in range(50)]
    for rounds in (0, 1, 3):
        reviewer = ScriptedReviewer({"q0": list(endless)})
        settings = MiningSettings(max_rounds=rounds, min_text_similarity=-1.0)
        (trace,) = run(dataset([HARD]), reviewer, settings=settings)
        assert [case.round for case in reviewer.cases] == list(range(1, rounds + 1))
        assert len(trace.attempts) == 2 * rounds
        assert max((attempt.round for attempt in trace.attempts), default=0) == rounds


def test_a_query_is_finished_with_enough_accepted_rewrites() -> None:
    texts = [f"{rank} cats {rank}" for rank in range(1, 6)]
    script = [Review("", "", ("cats",), tuple(texts)), Review("", "", ("cats",), ("1 more",))]
    reviewer = ScriptedReviewer({"q0": script})
    settings = MiningSettings(samples_per_round=3, max_accepted=3, min_text_similarity=-1.0)
    (trace,) = run(ranked_dataset("40 cats"), reviewer, retriever=RankedRetriever(), settings=settings)
    assert [attempt.text for attempt in trace.attempts] == texts[:3]
    assert len(reviewer.cases) == 1


def test_concepts_add_up_over_the_rounds() -> None:
    reviewer = ScriptedReviewer(
        {
            "q0": [
                rewriting("a crimson boat in the timberland"),
                rewriting("a crimson boat in the forest", concepts=("timberland",)),
                rewriting("a red boat in the forest", concepts=("Crimson", "not in the query")),
            ]
        }
    )
    (trace,) = run(dataset([HARD]), reviewer)
    assert [attempt.concepts for attempt in trace.attempts] == [
        ("dinghy",),
        ("dinghy", "timberland"),
        ("Crimson", "dinghy", "timberland"),
    ]
    assert [case.query.text for case in reviewer.cases][:3] == [
        HARD[0],
        "a crimson boat in the timberland",
        "a crimson boat in the forest",
    ]
    assert {case.original_text for case in reviewer.cases} == {HARD[0]}
    assert trace.attempts[-1].rank == 1
    assert trace.attempts[-1].accepted


def test_a_worse_wording_is_not_followed() -> None:
    reviewer = ScriptedReviewer({"q0": [rewriting("a crimson boat in the timberland"), rewriting("azure golden jade")]})
    run(dataset([HARD]), reviewer)
    assert reviewer.cases[2].query.text == "a crimson boat in the timberland"


def test_wordings_are_tried_once() -> None:
    same = rewriting(HARD[0].upper(), "A crimson  boat in the timberland", "a crimson boat in the timberland")
    (trace,) = run(dataset([HARD]), ScriptedReviewer({"q0": [same, same]}))
    assert [attempt.text for attempt in trace.attempts] == ["A crimson  boat in the timberland"]


def test_unfaithful_rewrites_are_not_accepted() -> None:
    reviewer = ScriptedReviewer({"q0": [rewriting(RED_BOAT)]})
    (trace,) = run(dataset([("golden steed", RED_BOAT)]), reviewer, settings=MiningSettings(min_text_similarity=0.5))
    (attempt,) = trace.attempts
    assert attempt.rank == 1
    assert attempt.text_similarity < 0.5
    assert not attempt.accepted


def test_a_failed_review_is_a_typed_failure_and_keeps_what_was_found() -> None:
    failure = Failure(FailureKind.UNPARSABLE, "no JSON", 2)
    reviewer = ScriptedReviewer({"q0": [rewriting("a crimson boat in the timberland"), failure]})
    hard, other = run(dataset([HARD, ("an azure steed in the shore", "a blue horse in the beach")]), reviewer)
    assert hard.failure == failure
    assert len(hard.attempts) == 1
    assert other.failure is None


def test_a_failed_perturbation_is_a_typed_failure() -> None:
    failure = Failure(FailureKind.TIMEOUT, "slow", 0)
    perturbed, raw = run(
        ranked_dataset("1 cats"), retriever=RankedRetriever(), perturber=ScriptedPerturber({"1 cats": failure})
    )
    assert (perturbed.origin, perturbed.failure, perturbed.attempts) == (Origin.PERTURB, failure, ())
    assert raw.failure is None


def test_costs_of_the_reviews_are_summed() -> None:
    cost = Cost(chat_calls=1, prompt_tokens=7)
    reviewer = ScriptedReviewer({"q0": [rewriting("a crimson boat in the timberland")]}, cost)
    (trace,) = run(dataset([HARD]), reviewer)
    assert trace.cost.chat_calls == 2
    assert trace.cost.prompt_tokens == 14
    assert trace.cost.retriever_queries == 4


@pytest.mark.parametrize(("rank", "accepted"), [(2, False), (3, True), (11, True)])
def test_a_perturbation_must_confuse(rank: int, accepted: bool) -> None:
    # the toy's similarity falls by 0.01 a rank
    perturber = ScriptedPerturber({"1 cats": [Perturbation(f"{rank} felines", ("felines",))]})
    settings = MiningSettings(min_text_similarity=-1.0)
    perturbed, raw = run(ranked_dataset("1 cats"), retriever=RankedRetriever(), perturber=perturber, settings=settings)
    assert (perturbed.origin, raw.origin) == (Origin.PERTURB, Origin.OPTIMIZE)
    assert perturbed.raw == raw.raw
    assert [(a.text, a.concepts, a.accepted) for a in perturbed.attempts] == [
        (f"{rank} felines", ("felines",), accepted)
    ]


def test_a_target_pushed_out_of_the_top_ten_confuses_without_a_drop() -> None:
    perturber = ScriptedPerturber({"5 cats": [Perturbation("11 felines", ("felines",))]})
    settings = MiningSettings(min_similarity_drop=0.5, min_text_similarity=-1.0)
    perturbed, _ = run(ranked_dataset("5 cats"), retriever=RankedRetriever(), perturber=perturber, settings=settings)
    assert perturbed.attempts[0].accepted


def test_one_variant_is_accepted() -> None:
    variants = [Perturbation(f"{rank} felines", ("felines",)) for rank in (2, 20, 30)]
    settings = MiningSettings(min_text_similarity=-1.0, perturb_samples=3)
    perturbed, _ = run(
        ranked_dataset("1 cats"),
        retriever=RankedRetriever(),
        perturber=ScriptedPerturber({"1 cats": variants}),
        settings=settings,
    )
    assert [(a.text, a.accepted) for a in perturbed.attempts] == [("2 felines", False), ("20 felines", True)]


def test_the_share_of_perturbed_queries_is_drawn_by_query() -> None:
    data = ranked_dataset(*["1 cats"] * 120)
    traces = run(data, retriever=RankedRetriever(), settings=MiningSettings(perturb_share=0.25))
    drawn = {trace.query_id for trace in traces if trace.origin is Origin.PERTURB}
    assert 18 <= len(drawn) <= 42
    other = run(data, retriever=RankedRetriever(), settings=MiningSettings(perturb_share=0.25, batch_size=50))
    assert drawn == {trace.query_id for trace in other if trace.origin is Origin.PERTURB}


def test_several_targets_use_the_best_ranked() -> None:
    data = dataset([(RED_BOAT, RED_BOAT)])
    ids = {caption: f"d{place:03d}" for place, caption in enumerate(CAPTIONS)}
    both = {"q0": (ids["a blue dog in the city"], ids[RED_BOAT])}
    (_, trace) = run(dataclasses.replace(data, targets=both))
    assert trace.target == ids[RED_BOAT]
    assert trace.raw.rank == 1


def test_other_relevant_documents_are_not_shown_as_mistakes() -> None:
    data = dataset([("a crimson dinghy", RED_BOAT)])
    targets = ("d000", "d010", "d020")
    reviewer = ScriptedReviewer({})
    run(dataclasses.replace(data, targets={"q0": targets}), reviewer, settings=MiningSettings(ambiguous_beyond=5))
    for case in reviewer.cases:
        assert not {hit.doc_id for hit in case.ranking.hits} & (set(targets) - {case.target})


def test_provenance_and_report() -> None:
    sink = ListSink()
    seen: list[int] = []
    report = mine(
        dataset([HARD, (RED_BOAT, RED_BOAT)]),
        retriever=ToyRetriever(),
        reviewer=ScriptedReviewer({"q0": [rewriting(RED_BOAT)]}),
        perturber=ScriptedPerturber(),
        text_encoder=ToySentenceEncoder(),
        sink=sink,
        settings=MiningSettings(seed=3, batch_size=1),
        code_version="9",
        progress=seen.append,
    )
    assert (report.queries, report.skipped, report.accepted, report.solved, report.perturbed) == (2, 0, 1, 1, 0)
    assert report.verdicts == {"ambiguous": 1, "unambiguous": 1}
    assert seen == [1, 1]
    provenance = sink.traces[0].provenance
    assert (provenance.retriever, provenance.gallery_size, provenance.reviewer) == ("toy", len(CAPTIONS), "scripted")
    assert (provenance.seed, provenance.code_version) == (3, "9")


def test_all_queries_of_a_batch_share_the_calls() -> None:
    retriever = ToyRetriever()
    run(dataset([HARD] * 40), retriever=retriever)
    assert retriever.calls == [40, 40]


def test_queries_that_cannot_be_mined_are_refused() -> None:
    with pytest.raises(DataError, match=r"q0.*no text"):
        run(dataset([("  ", RED_BOAT)]))
    with pytest.raises(DataError, match=r"q0.*no target"):
        run(dataclasses.replace(dataset([HARD]), targets={}))


@pytest.mark.parametrize(
    "wrong",
    [{"unambiguous_at": 11}, {"search_depth": 5}, {"batch_size": 0}, {"max_rounds": -1}, {"perturb_share": 1.5}],
)
def test_settings_are_checked(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        MiningSettings(**wrong)  # type: ignore[arg-type]


def test_merged_concepts_stand_in_the_query_in_order() -> None:
    query = "A little boat moved by oars, near the catalog"
    assert merge_concepts(query, ["cat", "oars", "Little  boat", "boat", "oars"]) == ["Little  boat", "oars"]
    assert merge_concepts(query, ["moved by oars", "oars", ""]) == ["moved by oars"]
