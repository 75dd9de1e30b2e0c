"""The expansion graph over a real BM25 index, with scripted sources of expansions."""

import ast
import dataclasses
import inspect
import json
import typing

import pytest
from expansion_toy import (
    CAPTION,
    PASSAGES,
    QUESTION,
    REFUSAL,
    CountingRetriever,
    DogResolver,
    ScriptedExpander,
    ScriptedFeedback,
    bm25,
)

from raqo.agents.captioner import Captioned
from raqo.errors import DataError
from raqo.graphs import expansion, expansion_nodes, expansion_scores, expansion_state
from raqo.graphs.expansion import Step, build_graph, expand_queries, stream_expansion
from raqo.graphs.expansion_settings import ExpansionSettings
from raqo.graphs.expansion_state import Context, ExpansionResult, start_state
from raqo.protocols import ExpansionCase
from raqo.records import Cost, Query

NAMING_AN_ANSWER = {"targets", "target", "answers", "stemmed", "reference", "judge_expansions"}


@pytest.fixture
def retriever(tmp_path):
    return CountingRetriever(bm25(tmp_path))


def run(retriever, expander, *, queries=(QUESTION,), captions=(CAPTION,), **settings):
    return expand_queries(
        list(queries),
        list(captions),
        retriever=retriever,
        texts=PASSAGES,
        resolver=DogResolver(),
        expander=expander,
        feedback=ScriptedFeedback(),
        settings=ExpansionSettings(**settings),
        k=3,
    )


def test_an_expansion_in_the_words_of_the_corpus_is_found_and_used(retriever):
    (plain,) = run(retriever, ScriptedExpander(()))
    (result,) = run(retriever, ScriptedExpander(("automobile", "canine lives", "mice")))
    assert "canine-life" not in [hit.doc_id for hit in plain.ranking.hits[:1]]
    assert result.expansion == "canine lives"
    assert result.ranking.hits[0].doc_id == "canine-life"
    assert result.resolution.implicit == (("dog", 0.2),)


def test_no_expansion_is_taken_that_scores_no_better_than_none(retriever):
    (result,) = run(retriever, ScriptedExpander(("zebra", "")))
    assert result.expansion == ""
    assert [one.text for one in result.tried] == ["", "zebra"]


def test_the_numbers_of_the_paper_reach_the_expander(retriever):
    expander = ScriptedExpander([f"canine {number}" for number in range(20)], ["canine lives"])
    (result,) = run(retriever, expander)
    (first, n, temperature), (second, m, hot) = expander.calls[:2]
    assert (n, temperature) == (12, 0.2)
    assert (m, hot) == (8, 0.7)
    assert len(first[0].passages) == 3
    assert first[0].tried == ()
    assert len(second[0].tried) == 8
    assert sum(one.round == 0 for one in result.tried) == 13, "twelve expansions and the question without any"


def test_the_window_is_sorted_and_its_evidence_is_what_each_expansion_found(retriever):
    expander = ScriptedExpander(("canine lives", "mice"), ())
    run(retriever, expander, window=2)
    tried = expander.calls[1][0][0].tried
    assert tried[0].text == "canine lives"
    assert tried[0].score >= tried[1].score
    assert tried[0].passages[0] == PASSAGES["canine-life"]


def test_it_stops_when_the_best_score_rises_no_more_and_after_three_rounds(retriever):
    idle = ScriptedExpander(("canine",), ("zebra",), ("canine lives",))
    (result,) = run(retriever, idle)
    assert result.rounds == 1

    rising = ScriptedExpander(*[("canine " * size + str(size),) for size in range(1, 9)])
    (result,) = run(retriever, rising)
    assert result.rounds == 3
    assert len(rising.calls) == 4


def test_no_rounds_take_the_best_of_the_generation_phase(retriever):
    expander = ScriptedExpander(("canine lives",))
    (result,) = run(retriever, expander, max_rounds=0)
    assert len(expander.calls) == 1
    assert result.expansion == "canine lives"


def test_reciprocal_rank_fusion_searches_the_whole_window(retriever):
    expander = ScriptedExpander(("canine lives", "canine thirteen"))
    (result,) = run(retriever, expander, fusion="rrf", max_rounds=0, window=2)
    best = result.ranking.hits[0]
    assert best.doc_id == "canine-life"
    assert best.score == pytest.approx(2 / 61, rel=1e-5), "first in both rankings"


def test_a_failed_answer_leaves_the_question_as_it_was_resolved(retriever):
    (result,) = run(retriever, ScriptedExpander(REFUSAL))
    assert result.failures == (REFUSAL,)
    assert result.expansion == ""
    assert result.ranking.hits


def test_a_batch_gives_what_each_question_gives_alone_with_one_call_a_step(retriever):
    other = Query("q2", "What does a feline like to eat?")
    script = (("canine lives", "mice"), ("canine lives years", "mice feline"))
    together = run(retriever, ScriptedExpander(*script), queries=(QUESTION, other), captions=(CAPTION, ""))
    searches = [size for name, size in retriever.calls if name == "search"]
    assert searches[0] == 2, "context"
    assert searches[1] == 6, "two expansions and none, for two questions"
    assert not [name for name, _ in retriever.calls if name == "similarity"]
    alone = [
        run(retriever, ScriptedExpander(*script), queries=(query,), captions=(caption,))[0]
        for query, caption in ((QUESTION, CAPTION), (other, ""))
    ]
    assert together == alone


def test_batches_of_one_give_the_same(retriever):
    queries = [dataclasses.replace(QUESTION, query_id=f"q{at}") for at in range(3)]
    script = ScriptedExpander(*[("canine lives",)] * 20)
    progress = []
    settings = ExpansionSettings(batch_size=1, max_rounds=0)
    results = expand_queries(
        queries,
        [CAPTION] * 3,
        retriever=retriever,
        texts=PASSAGES,
        resolver=DogResolver(),
        expander=script,
        feedback=ScriptedFeedback(),
        settings=settings,
        progress=progress.append,
    )
    assert progress == [1, 1, 1]
    assert {one.expansion for one in results} == {"canine lives"}


def test_streaming_gives_every_step_and_the_same_result(retriever):
    script = (("canine", "mice"), ("canine lives",), ())
    context = Context(
        retriever=retriever,
        texts=PASSAGES,
        resolver=DogResolver(),
        expander=ScriptedExpander(*script),
        feedback=ScriptedFeedback(),
        settings=ExpansionSettings(),
        k=3,
    )
    *steps, result = stream_expansion(QUESTION, CAPTION, context)
    names = [step.name for step in steps if isinstance(step, Step)]
    assert names[:5] == ["preprocess", "retrieve_context", "generate", "score", "keep"]
    assert names[5:8] == ["optimise", "score", "keep"]
    assert names[-1] == "retrieve"
    assert isinstance(result, ExpansionResult)
    assert result == run(retriever, ScriptedExpander(*script))[0]


def test_a_question_without_text_is_refused_and_no_questions_give_no_results(retriever):
    with pytest.raises(DataError, match="'q9'"):
        run(retriever, ScriptedExpander(), queries=(Query("q9", " ", "picture.png"),), captions=("",))
    assert run(retriever, ScriptedExpander(), queries=(), captions=()) == []


def test_odd_questions_give_empty_rankings_and_never_fail(retriever):
    odd = ["of the", '"(AND) ~^ OR *:*"', "zzzz", "\ud83d\ude00", "a" * 5000]
    queries = [Query(f"odd{at}", text) for at, text in enumerate(odd)]
    results = run(retriever, ScriptedExpander(("",)), queries=queries, captions=[""] * len(odd))
    assert [len(result.ranking.hits) for result in results] == [0] * len(odd)


def test_the_state_is_plain_data(retriever):
    settings = ExpansionSettings()
    context = Context(
        retriever=retriever,
        texts=PASSAGES,
        resolver=DogResolver(),
        expander=ScriptedExpander(("canine lives",), ("canine",)),
        feedback=ScriptedFeedback(),
        settings=settings,
        k=3,
    )
    state = build_graph().invoke(start_state([QUESTION], [CAPTION]), context=context)
    assert json.loads(json.dumps(state)) == state


def test_no_ground_truth_is_in_reach():
    for record in (Context, ExpansionResult, expansion_state.Case, ExpansionCase, Query):
        assert not set(typing.get_type_hints(record)) & NAMING_AN_ANSWER
    for module in (expansion, expansion_nodes, expansion_state, expansion_scores):
        tree = ast.parse(inspect.getsource(module))
        used = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        used |= {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        imported = {name.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for name in node.names}
        assert not (used | imported) & NAMING_AN_ANSWER, module.__name__
        sources = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        assert not [name for name in sources if "expansion_mining" in name or "evaluation" in name]


class PictureDescriber:
    """Says that every picture shows a dog, but for those it cannot read. Records its calls."""

    def __init__(self):
        self.calls = []

    def caption(self, paths):
        self.calls.append(list(paths))
        return [Captioned(REFUSAL if "broken" in path else CAPTION, Cost(chat_calls=1)) for path in paths]


def test_pictures_without_caption_are_described_once_and_failures_recorded(retriever):
    pictures = ["a.png", "a.png", "broken.png", None]
    queries = [Query(f"q{at}", QUESTION.text, picture) for at, picture in enumerate(pictures)]
    describer = PictureDescriber()
    results = expand_queries(
        queries,
        ["", " ", "", ""],
        retriever=retriever,
        texts=PASSAGES,
        resolver=DogResolver(),
        expander=ScriptedExpander(()),
        feedback=ScriptedFeedback(),
        describer=describer,
    )
    assert describer.calls == [["a.png", "broken.png"]]
    assert [bool(result.resolution.implicit) for result in results] == [True, True, False, False]
    assert [result.failures for result in results] == [(), (), (REFUSAL,), ()]
    assert [result.cost.chat_calls for result in results] == [1, 1, 1, 0]
