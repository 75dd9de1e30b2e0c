"""Several batches at once: a slow answer holds up its own batch only, and an error ends the run in good order."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence

import pytest
from mining_toy import ListSink, ScriptedPerturber, ToyRetriever, ToySentenceEncoder, dataset, rare_queries

from raqo.errors import BudgetError
from raqo.graphs.failure_rate import MIN_ANSWERS, FailureRate, FailureRateError
from raqo.graphs.in_flight import run_in_flight
from raqo.graphs.mining import MiningReport, mine
from raqo.graphs.settings import MiningSettings
from raqo.protocols import FloatArray, ReviewCase, Reviewed
from raqo.records import Cost, Failure, FailureKind, Query, Ranking, RetrievalDataset, Review, Trace

DATA = dataset(rare_queries())


class FixedReviewer:
    """Proposes the target's caption, in a way that depends on the case alone."""

    name, prompt_hash = "fixed", "0"

    def review(self, cases: Sequence[ReviewCase]) -> list[Reviewed]:
        return [Reviewed(self.answer(case), Cost(chat_calls=1, prompt_tokens=len(case.query.text))) for case in cases]

    def answer(self, case: ReviewCase) -> Review | Failure:
        words = case.original_text.split()
        return Review("", "", (words[1],), (f"{' '.join(words[2:])} {case.round}", " ".join(words[:2])))


class AloneRetriever(ToyRetriever):
    """Notices when it is called by two threads at once."""

    def __init__(self) -> None:
        super().__init__()
        self._busy = threading.Lock()
        self.overlapped = False

    def search(self, queries: Sequence[Query], *, k: int) -> list[Ranking]:
        with self._alone():
            return super().search(queries, k=k)

    def similarity(self, queries: Sequence[Query], doc_ids: Sequence[str]) -> FloatArray:
        with self._alone():
            return super().similarity(queries, doc_ids)

    def _alone(self) -> threading.Lock:
        self.overlapped |= self._busy.locked()
        time.sleep(0.001)
        return self._busy


def run(
    reviewer: FixedReviewer,
    sink: ListSink,
    settings: MiningSettings,
    retriever: ToyRetriever | None = None,
    data: RetrievalDataset = DATA,
) -> MiningReport:
    return mine(
        data,
        retriever=retriever or ToyRetriever(),
        reviewer=reviewer,
        perturber=ScriptedPerturber(),
        text_encoder=ToySentenceEncoder(),
        sink=sink,
        settings=settings,
    )


def by_query(traces: Sequence[Trace]) -> list[Trace]:
    return sorted(traces, key=lambda trace: (trace.query_id, trace.origin))


@pytest.mark.parametrize(("batch_size", "in_flight"), [(4, 3), (1, 16), (48, 2)])
def test_traces_and_report_do_not_depend_on_the_batches(batch_size: int, in_flight: int) -> None:
    alone, together = ListSink(), ListSink()
    retriever = AloneRetriever()
    expected = run(FixedReviewer(), alone, MiningSettings(batch_size=len(DATA.queries)))
    report = run(
        FixedReviewer(), together, MiningSettings(batch_size=batch_size, batches_in_flight=in_flight), retriever
    )
    assert by_query(together.traces) == by_query(alone.traces)
    assert not retriever.overlapped
    assert report.cost == expected.cost == total(alone.traces)
    assert (report.verdicts, report.accepted, report.failures) == (
        expected.verdicts,
        expected.accepted,
        expected.failures,
    )
    assert set(report.seconds) == set(expected.seconds)


def total(traces: Sequence[Trace]) -> Cost:
    costs = [trace.cost for trace in traces]
    return Cost(
        sum(cost.retriever_queries for cost in costs),
        sum(cost.chat_calls for cost in costs),
        sum(cost.prompt_tokens for cost in costs),
    )


def test_one_slow_review_holds_up_its_own_batch_only() -> None:
    slow, finished = threading.Event(), ListSink()

    class Slow(FixedReviewer):
        def review(self, cases: Sequence[ReviewCase]) -> list[Reviewed]:
            if cases[0].query.query_id == stuck and not slow.is_set():
                # all other batches end while this one waits
                deadline = time.monotonic() + 120
                while len(finished.batches) < 11 and time.monotonic() < deadline:
                    time.sleep(0.005)
                slow.set()
                others.append(len(finished.batches))
            return super().review(cases)

    others: list[int] = []
    stuck = first_ambiguous()
    run(Slow(), finished, MiningSettings(batch_size=4, batches_in_flight=2))
    assert others == [11]
    assert len(finished.batches) == 12


def first_ambiguous() -> str:
    sink = ListSink()
    run(FixedReviewer(), sink, MiningSettings(max_rounds=0))
    return next(trace.query_id for trace in sink.traces if trace.raw.verdict == "ambiguous")


def test_after_an_error_no_batch_begins_and_those_in_flight_are_written() -> None:
    failing, sink, reviewed = [], ListSink(), []
    began = threading.Event()

    class OutOfMoney(FixedReviewer):
        def review(self, cases: Sequence[ReviewCase]) -> list[Reviewed]:
            batch = int(cases[0].query.query_id[1:]) // 12
            reviewed.append(batch)
            if batch == 1:
                failing.append(threading.current_thread())
                began.set()
                raise BudgetError("no money left")
            assert began.wait(120)
            failing[0].join(120)  # the others end after it
            return super().review(cases)

    with pytest.raises(BudgetError, match="no money left"):
        run(OutOfMoney(), sink, MiningSettings(batch_size=12, batches_in_flight=3))
    assert set(reviewed) == {0, 1, 2}
    assert sorted({int(trace.query_id[1:]) // 12 for trace in sink.traces}) == [0, 2]


def test_no_more_items_are_alive_than_may_be_in_flight() -> None:
    drawn, ended = 0, 0
    alive: list[int] = []

    def items() -> Iterator[int]:
        nonlocal drawn
        for item in range(40):
            drawn += 1
            alive.append(drawn - ended)
            yield item

    for _ in run_in_flight(lambda item: time.sleep(0.001), items(), limit=4):
        ended += 1
    assert (drawn, ended) == (40, 40)
    assert max(alive) <= 4


@pytest.mark.parametrize("limit", [1, 4])
def test_a_batch_that_is_interrupted_ends_the_run(limit: int) -> None:
    sink = ListSink(fail_after=2)
    with pytest.raises(KeyboardInterrupt):
        run(FixedReviewer(), sink, MiningSettings(batch_size=4, batches_in_flight=limit))
    assert len(sink.batches) == 2


class FailingReviewer(FixedReviewer):
    def __init__(self, every: int) -> None:
        self._every = every

    def answer(self, case: ReviewCase) -> Review | Failure:
        if int(case.query.query_id[1:]) % self._every == 0:
            return Failure(FailureKind.SERVER, f"error {case.query.query_id}", case.round)
        return super().answer(case)


def test_a_run_with_few_failures_writes_them_as_rows() -> None:
    sink = ListSink()
    report = run(FailingReviewer(every=6), sink, MiningSettings(max_failure_rate=0.5))
    failed = [trace for trace in sink.traces if trace.failure]
    assert report.failures == {"server": len(failed)}
    assert failed
    assert all(int(trace.query_id[1:]) % 6 == 0 for trace in failed)


def test_a_run_with_many_failures_ends_with_a_summary() -> None:
    sink = ListSink()
    settings = MiningSettings(batch_size=2, batches_in_flight=3, max_failure_rate=0.2)
    with pytest.raises(FailureRateError, match=r"answers failed.*max_failure_rate is 0.2.*server, such as 'error q"):
        run(FailingReviewer(every=1), sink, settings, data=dataset(rare_queries() * 3))
    assert 10 <= len({trace.query_id for trace in sink.traces}) < 144


def test_the_rate_is_believed_after_enough_answers() -> None:
    rate = FailureRate(0.2, work="mining")
    failure = Failure(FailureKind.TIMEOUT, "slow", 1)
    rate.add([failure] * (MIN_ANSWERS - 1))
    with pytest.raises(FailureRateError, match="50 of 50 answers failed"):
        rate.add([failure])


def test_a_rate_of_exactly_the_limit_is_allowed() -> None:
    rate = FailureRate(0.2, work="mining")
    rate.add([Failure(FailureKind.TIMEOUT, "slow", 1)] * 20 + [None] * 80)
    with pytest.raises(FailureRateError, match=r"1 empty.*'nothing'"):
        rate.add([Failure(FailureKind.EMPTY, "nothing", 1)])


def test_batches_follow_the_reviewer_where_nothing_is_set() -> None:
    assert MiningSettings().flow(asks_chat=False) == (256, 1)
    assert MiningSettings().flow(asks_chat=True) == (64, 8)
    assert MiningSettings(batch_size=5, batches_in_flight=2).flow(asks_chat=True) == (5, 2)
