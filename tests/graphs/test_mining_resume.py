"""Interrupted runs end with the same traces, and what a query gives does not depend on its batch."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mining_toy import CAPTIONS, ListSink, ToyRetriever, ToySentenceEncoder, dataset, rare_queries

from raqo.agents.lexical import LexicalPerturber, LexicalReviewer
from raqo.agents.lexicon import Lexicon, LexiconSettings, learn_lexicon
from raqo.agents.vocabulary import Vocabulary, count_phrases
from raqo.graphs.mining import mine
from raqo.graphs.settings import MiningSettings
from raqo.records import Origin, RetrievalDataset, Trace

QUERIES = rare_queries()
DATA = dataset(QUERIES)


def learn(retriever: ToyRetriever) -> Lexicon:
    vocabulary = Vocabulary(
        count_phrases([*CAPTIONS * 3, *(text for text, _ in QUERIES)], max_words=1), ToySentenceEncoder()
    )
    examples = [(query.text, DATA.targets[query.query_id][0]) for query in DATA.queries]
    settings = LexiconSettings(min_cosine=0.0)
    return learn_lexicon(examples, retriever=retriever, vocabulary=vocabulary, settings=settings)


def run(
    sink: ListSink, *, data: RetrievalDataset = DATA, done: set[tuple[str, str]] | None = None, batch_size: int = 8
) -> list[Trace]:
    """A run in a fresh process: nothing is cached from an earlier one."""
    retriever, encoder = ToyRetriever(), ToySentenceEncoder()
    lexicon = learn(retriever)
    mine(
        data,
        retriever=retriever,
        reviewer=LexicalReviewer(lexicon),
        perturber=LexicalPerturber(lexicon),
        text_encoder=encoder,
        sink=sink,
        done=done or set(),
        settings=MiningSettings(batch_size=batch_size, samples_per_round=5),
    )
    return sink.traces


@pytest.fixture(scope="module")
def uninterrupted() -> list[Trace]:
    return run(ListSink(), batch_size=len(QUERIES))


def keys(traces: list[Trace]) -> list[tuple[str, str]]:
    return [(trace.query_id, trace.origin.value) for trace in traces]


def test_every_query_gives_one_trace_for_each_origin(uninterrupted: list[Trace]) -> None:
    found = keys(uninterrupted)
    assert len(found) == len(set(found))
    assert {query_id for query_id, origin in found if origin == Origin.OPTIMIZE} == {q.query_id for q in DATA.queries}


@settings(max_examples=6, deadline=None)
@given(batch_size=st.integers(3, 60), calls=st.integers(0, 12), cut=st.integers(0, 200))
def test_an_interrupted_run_ends_with_the_same_traces(
    uninterrupted: list[Trace], batch_size: int, calls: int, cut: int
) -> None:
    sink = ListSink(fail_after=calls)
    try:
        written = run(sink, batch_size=batch_size)
    except KeyboardInterrupt:
        written = sink.traces
    kept = written[: max(0, len(written) - cut % (2 * batch_size))]  # the last write may be half on disk
    resumed = run(ListSink(), done=set(keys(kept)), batch_size=batch_size)
    assert sorted(kept + resumed, key=str) == sorted(uninterrupted, key=str)


@settings(max_examples=6, deadline=None)
@given(order=st.permutations(range(len(QUERIES))), count=st.integers(1, len(QUERIES)), batch_size=st.integers(3, 20))
def test_a_query_does_not_depend_on_its_batch(
    uninterrupted: list[Trace], order: list[int], count: int, batch_size: int
) -> None:
    queries = tuple(DATA.queries[at] for at in order[:count])
    part = RetrievalDataset(DATA.name, DATA.split, DATA.documents, queries, DATA.targets)
    expected = dict(zip(keys(uninterrupted), uninterrupted, strict=True))
    for trace in run(ListSink(), data=part, batch_size=batch_size):
        assert trace == expected[trace.query_id, trace.origin.value]


def test_a_finished_run_asks_the_retriever_nothing(uninterrupted: list[Trace]) -> None:
    lexicon, retriever, encoder = learn(ToyRetriever()), ToyRetriever(), ToySentenceEncoder()
    report = mine(
        DATA,
        retriever=retriever,
        reviewer=LexicalReviewer(lexicon),
        perturber=LexicalPerturber(lexicon),
        text_encoder=encoder,
        sink=ListSink(),
        done=set(keys(uninterrupted)),
    )
    assert (report.queries, report.skipped, retriever.calls) == (0, len(QUERIES), [])


def test_the_lexical_reviewer_solves_the_toy_world(uninterrupted: list[Trace]) -> None:
    ambiguous = [t for t in uninterrupted if t.origin is Origin.OPTIMIZE and t.raw.verdict == "ambiguous"]
    captions = dict(zip((query.query_id for query in DATA.queries), (caption for _, caption in QUERIES), strict=True))
    assert len(ambiguous) >= 15
    best = {t.query_id: max(t.attempts, key=lambda a: (a.accepted, a.similarity)) for t in ambiguous if t.attempts}
    assert sum(attempt.accepted for attempt in best.values()) == len(ambiguous)
    exact = [query_id for query_id, attempt in best.items() if attempt.text == captions[query_id]]
    assert len(exact) >= 0.9 * len(ambiguous)
    for trace in ambiguous:
        changed = set(trace.raw.text.split()) - set(best[trace.query_id].text.split())
        assert set(" ".join(best[trace.query_id].concepts).split()) - {"a", "an"} == changed - {"a", "an"}


def test_perturbations_put_rare_words_in(uninterrupted: list[Trace]) -> None:
    accepted = [a for t in uninterrupted if t.origin is Origin.PERTURB for a in t.attempts if a.accepted]
    assert len(accepted) >= 10
    for attempt in accepted:
        assert attempt.concepts
        assert all(concept in attempt.text for concept in attempt.concepts)
