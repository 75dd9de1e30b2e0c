import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raqo.agents import prompts
from raqo.errors import ConfigError, FingerprintError
from raqo.preference_data.build import BuildSettings, PreferenceData, build, similarity_spread
from raqo.records import Attempt, Cost, Failure, FailureKind, Origin, Provenance, Trace, Verdict

PROVENANCE = Provenance("clip:1", 100, "lexical", "", 0, "0.1")
QUERY = "a crimson dinghy"


def tried(text: str, similarity: float, *, ok: bool, concepts: tuple[str, ...] = ("dinghy",), **more: Any) -> Attempt:
    verdict = more.pop("verdict", Verdict.UNAMBIGUOUS if ok else Verdict.AMBIGUOUS)
    rank = 2 if verdict is Verdict.UNAMBIGUOUS else 30
    attempt = Attempt(1, text, concepts, rank, similarity, verdict, 0.8, ok)
    return replace(attempt, **more)


def raw(text: str, similarity: float, verdict: Verdict) -> Attempt:
    return tried(text, similarity, ok=False, concepts=(), verdict=verdict, round=0, text_similarity=1.0)


def optimize(*attempts: Attempt, query_id: str = "q", text: str = QUERY, **more: Any) -> Trace:
    query = raw(text, 0.20, Verdict.AMBIGUOUS)
    trace = Trace(query_id, "d", Origin.OPTIMIZE, query, attempts, (), None, Cost(3, 1, 10, 5), PROVENANCE)
    return replace(trace, **more)


def perturb(*attempts: Attempt, query_id: str = "u", text: str = "a red boat", similarity: float = 0.3) -> Trace:
    query = raw(text, similarity, Verdict.UNAMBIGUOUS)
    return Trace(query_id, "d", Origin.PERTURB, query, attempts, (), None, Cost(), PROVENANCE)


def rare(text: str, similarity: float, *, ok: bool = True, **more: Any) -> Attempt:
    return tried(text, similarity, ok=ok, concepts=("vermilion",), **{"verdict": Verdict.AMBIGUOUS} | more)


def made(*traces: Trace, **settings: Any) -> PreferenceData:
    return build(traces, BuildSettings(**settings), prompts)


def candidates(data: PreferenceData) -> list[tuple[str, float]]:
    (row,) = data.pro
    return [(candidate.text, candidate.score) for candidate in row.candidates]


def test_the_best_accepted_rewrite_and_its_concepts_are_taught() -> None:
    better = tried("a red rowing boat", 0.33, ok=True, concepts=("crimson", "dinghy"))
    data = made(optimize(tried("a red boat", 0.30, ok=True), better, tried("a ship", 0.40, ok=False)))
    (ccd,), (qre,), (pro,) = data.ccd, data.qre, data.pro
    assert (ccd.id, ccd.source, ccd.completion) == ("q/optimize", "optimize", " crimson, dinghy")
    assert ccd.prompt == prompts.render_detect(QUERY)
    assert (qre.rewrite, qre.score, qre.completion) == ("a red rowing boat", 0.33, " a red rowing boat")
    assert qre.prompt == pro.prompt == prompts.render_rewrite(QUERY, ("crimson", "dinghy"))
    assert pro.rewards == (0.33, 0.30)
    assert pro.completions == (" a red rowing boat", " a red boat")
    (pair,) = data.pairs
    assert (pair.chosen, pair.rejected) == (" a red rowing boat", " a red boat")
    assert pair.margin == pytest.approx(0.03)
    assert data.cost == Cost(3, 1, 10, 5)


ONE_GOOD = (
    tried("good", 0.30, ok=True),
    tried("strong but failed", 0.35, ok=False),
    tried("weak", 0.25, ok=False),
    tried("weaker", 0.10, ok=False),
)


@pytest.mark.parametrize(
    ("attempts", "negatives", "expected"),
    [
        (ONE_GOOD, "accepted", None),
        (ONE_GOOD, "attempts", ["good", "weak", QUERY, "weaker"]),
        (ONE_GOOD, "always", ["good", "weak", QUERY, "weaker"]),
        ((*ONE_GOOD, tried("best", 0.4, ok=True)), "accepted", ["best", "good"]),
        ((*ONE_GOOD, tried("best", 0.4, ok=True)), "attempts", ["best", "good"]),
        ((*ONE_GOOD, tried("best", 0.4, ok=True)), "always", ["best", "good", "weak", QUERY, "weaker"]),
    ],
)
def test_negatives(attempts: tuple[Attempt, ...], negatives: Any, expected: list[str] | None) -> None:
    data = made(optimize(*attempts), negatives=negatives)
    assert len(data.qre) == 1
    if expected is None:
        assert data.pro == ()
        assert data.drops == {"fewer candidates than min_candidates": 1}
    else:
        assert [text for text, _ in candidates(data)] == expected


def test_lists_are_cut_to_the_ranking_length_and_of_ties_the_first_stays() -> None:
    attempts = [tried(f"w{i}", 0.3 + i / 100, ok=True) for i in range(8)]
    attempts.append(tried("tie", attempts[-1].similarity, ok=True))
    data = made(optimize(*attempts), negatives="always")
    assert [text for text, _ in candidates(data)] == ["w7", "w6", "w5", "w4", "w3"]
    assert len(data.pairs) == 10
    assert all(pair.margin > 0 for pair in data.pairs)
    assert len(candidates(made(optimize(*attempts), ranking_length=2))) == 2


def test_of_wordings_that_are_alike_the_one_proposed_first_counts() -> None:
    near = [tried("proposed first", 0.50, ok=True), tried("a little higher", 0.54, ok=True)]
    trace = optimize(*near, tried("clearly lower", 0.40, ok=True))
    apart = build([trace], BuildSettings(alike_within=0.25), prompts, spread=0.1)
    assert apart.qre[0].rewrite == "a little higher"
    alike = build([trace], BuildSettings(alike_within=0.5), prompts, spread=0.1)
    assert alike.min_gap == 0.05
    assert alike.qre[0].rewrite == "proposed first"
    assert [text for text, _ in candidates(alike)] == ["proposed first", "clearly lower"]


def test_the_spread_is_that_of_the_queries_as_they_came() -> None:
    first, second = optimize(), optimize(query_id="r", raw=raw("x", 0.6, Verdict.AMBIGUOUS))
    assert similarity_spread([first, second, perturb(similarity=0.9)]) == pytest.approx(0.2)
    assert similarity_spread([]) == 0.0


def test_a_perturbed_query_is_rewritten_to_its_original() -> None:
    mild = rare("a scarlet boat", 0.27, ok=False, verdict=Verdict.UNAMBIGUOUS)
    trace = perturb(mild, rare("a vermilion boat", 0.15), rare("a ruddy boat", 0.20))
    data = made(trace, negatives="always")
    perturbed = next(row for row in data.ccd if row.source == "perturb")
    assert (perturbed.query, perturbed.concepts) == ("a vermilion boat", ("vermilion",))
    assert (data.qre[0].query, data.qre[0].rewrite, data.qre[0].score) == ("a vermilion boat", "a red boat", 0.3)
    assert candidates(data) == [
        ("a red boat", 0.3),
        ("a scarlet boat", 0.27),
        ("a ruddy boat", 0.2),
        ("a vermilion boat", 0.15),
    ]
    assert [text for text, _ in candidates(made(trace, negatives="accepted"))] == ["a red boat", "a scarlet boat"]


def test_unambiguous_queries_balance_the_ambiguous_ones() -> None:
    plain = [perturb(query_id=f"u{i}", text=f"plain {i}") for i in range(20)]
    hard = [optimize(ONE_GOOD[0], query_id=f"q{i}", text=f"hard {i}") for i in range(4)]
    data = made(*plain, *hard)
    balance = [row for row in data.ccd if row.source == "balance"]
    assert len(balance) == 4
    assert all(row.concepts == () and row.completion == " None" for row in balance)
    assert len([row for row in made(*plain, *hard, none_share=2.5).ccd if row.source == "balance"]) == 10
    assert made(*plain, *hard, none_share=0).ccd == tuple(row for row in data.ccd if row.source == "optimize")
    other = [row for row in made(*plain, *hard, seed=1).ccd if row.source == "balance"]
    assert {row.id for row in other} != {row.id for row in balance}


def test_one_wording_is_not_taught_as_both() -> None:
    data = made(optimize(ONE_GOOD[0]), perturb(text="A Crimson  dinghy"))
    assert [row.source for row in data.ccd] == ["optimize"]
    assert data.drops["unambiguous query has the wording of an ambiguous one"] == 1


def test_what_gives_no_row_is_counted() -> None:
    failure = Failure(FailureKind.TIMEOUT, "slow", 1)
    undecided = raw("x", 0.2, Verdict.UNDECIDED)
    data = made(
        optimize(query_id="a", failure=failure),
        optimize(tried("no", 0.1, ok=False), query_id="b"),
        optimize(tried("far", 0.4, ok=True, text_similarity=0.1), query_id="c"),
        optimize(tried("good", 0.4, ok=True, concepts=()), query_id="d"),
        optimize(tried("good", 0.4, ok=True), query_id="e", raw=undecided),
        optimize(tried("good", 0.4, ok=True), query_id="d"),
    )
    assert (data.ccd, data.qre, data.pro, data.pairs) == ((), (), (), ())
    assert data.traces == {"optimize": 5}
    assert data.drops == {
        "failure: timeout": 1,
        "no accepted wording": 2,
        "text similarity below the threshold": 1,
        "no concept for the accepted wording": 1,
        "query is neither ambiguous nor unambiguous": 1,
        "trace occurs twice": 1,
    }


def test_a_late_failure_does_not_lose_what_was_accepted_before() -> None:
    data = made(optimize(ONE_GOOD[0], failure=Failure(FailureKind.TIMEOUT, "slow", 2)))
    assert len(data.qre) == 1


def test_two_retrievers_do_not_mix() -> None:
    other = replace(perturb(), provenance=replace(PROVENANCE, retriever="clip:2"))
    with pytest.raises(FingerprintError, match=r"'u': made with retriever clip:2, others with clip:1"):
        made(optimize(ONE_GOOD[0]), other)


def test_settings_that_cannot_work() -> None:
    with pytest.raises(ConfigError, match="min_candidates"):
        BuildSettings(min_candidates=1)
    with pytest.raises(ConfigError, match="min_candidates"):
        BuildSettings(min_candidates=6)
    with pytest.raises(ConfigError, match="negative"):
        BuildSettings(none_share=-1)


def test_no_traces_give_empty_tables() -> None:
    data = made()
    assert (data.ccd, data.provenance, data.drops) == ((), None, {})


words = st.sampled_from(["red boat", "ship", "blue bus", "dog", "cat", "a  Ship"])
attempt_lists = st.lists(
    st.builds(tried, words, st.floats(-1, 1), ok=st.booleans(), text_similarity=st.floats(0, 1)), max_size=7
)
some_settings = st.builds(
    BuildSettings,
    negatives=st.sampled_from(["accepted", "attempts", "always"]),
    min_candidates=st.integers(2, 3),
    ranking_length=st.integers(3, 5),
)


@settings(deadline=None, max_examples=60)
@given(st.lists(attempt_lists, max_size=5), st.lists(attempt_lists, max_size=5), some_settings, st.randoms())
def test_invariants(
    hard: list[list[Attempt]], plain: list[list[Attempt]], settings: BuildSettings, chance: random.Random
) -> None:
    traces = [optimize(*attempts, query_id=f"q{i}") for i, attempts in enumerate(hard)]
    traces += [perturb(*attempts, query_id=f"u{i}") for i, attempts in enumerate(plain)]
    spread = similarity_spread(traces)
    data = build(traces, settings, prompts, spread=spread)
    chance.shuffle(traces)
    assert similarity_spread(traces) == spread
    assert build(iter(traces), settings, prompts, spread=spread) == data, "the order of the log does not matter"
    assert len({row.id for row in data.ccd}) == len(data.ccd)
    for row in data.pro:
        assert settings.min_candidates <= len(row.rewards) <= settings.ranking_length
        gaps = [high - low for high, low in zip(row.rewards, row.rewards[1:], strict=False)]
        assert all(gap > 0 for gap in gaps)
        assert len({" ".join(text.casefold().split()) for text in row.completions}) == len(row.completions)
        assert tuple(candidate.score for candidate in row.candidates) == row.rewards
    texts = {row.id: row.completions[0] for row in data.pro}
    assert all(row.completion == texts[row.id] for row in data.qre if row.id in texts)
    assert all(row.completion.startswith(" ") and row.concepts for row in data.qre)
