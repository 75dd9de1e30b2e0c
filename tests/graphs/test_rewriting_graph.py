"""The served graph against a rule-based rewriter and a retriever that knows common words only."""

import ast
import dataclasses
import inspect
import typing

import pytest

from raqo.graphs import gate, restoring, rewriting, rewriting_nodes, rewriting_state, verification
from raqo.graphs.gate import Gate
from raqo.graphs.rewriting import Step, build_graph, rewrite_queries, stream_rewrite
from raqo.graphs.rewriting_state import Context, start_state
from raqo.records import Hit, KeptReason, Query, Ranking, RewriteResult

GALLERY = {"img1": "a red boat by the tree", "img2": "a red ball on the sand", "img3": "a blue boat by the tree"}


class WordRetriever:
    """Scores by shared words; reads 12 words at most. Counts its calls."""

    fingerprint, size = "words", len(GALLERY)

    def __init__(self):
        self.calls = []

    def search(self, queries, *, k):
        self.calls.append(("search", len(queries)))
        return [self._rank(query, k) for query in queries]

    def _rank(self, query, k):
        words = set(query.text.casefold().split())
        scored = [Hit(doc_id, float(len(words & set(text.split())))) for doc_id, text in GALLERY.items()]
        return Ranking(query.query_id, tuple(sorted(scored, key=lambda hit: (-hit.score, hit.doc_id))[:k]))

    def similarity(self, queries, doc_ids):
        raise AssertionError("the served graph has no target to compare with")

    def fits(self, texts):
        return [len(text.split()) <= 12 for text in texts]


class ScriptedRewriter:
    """Answers from a dictionary: query -> (concepts, rewrites). Counts its calls."""

    fingerprint = "scripted"

    def __init__(self, script):
        self.script, self.calls = script, []

    def detect(self, texts):
        self.calls.append(("detect", len(texts)))
        found = [self.script.get(text, ((), []))[0] for text in texts]
        return [None if some is None else tuple(some) for some in found]

    def rewrite(self, texts, concepts, *, n=1):
        assert n == 1
        self.calls.append(("rewrite", len(texts)))
        return [list(self.script[text][1])[:n] for text in texts]


def serve(text, concepts, *rewrites, gate=None):
    rewriter = ScriptedRewriter({text: (concepts, rewrites)})
    (result,) = rewrite_queries([Query("q", text)], retriever=WordRetriever(), rewriter=rewriter, gate=gate)
    return result


def test_a_query_is_rewritten_and_searched():
    result = serve("a crimson boat by the tree", ["crimson"], " a red  boat by\nthe tree ")
    assert result.kept is KeptReason.NONE
    assert (result.concepts, result.rewrite, result.final_text) == (("crimson",), *["a red boat by the tree"] * 2)
    assert (result.before.hits[0].score, result.after.hits[0].doc_id, result.after.hits[0].score) == (5.0, "img1", 6.0)


@pytest.mark.parametrize(
    ("text", "concepts", "rewrites", "gate", "reason"),
    [
        ("a red boat", [], ["never asked"], None, KeptReason.NO_CONCEPT),
        ("a red boat", ["zebra"], ["a red zebra"], None, KeptReason.NO_CONCEPT),  # invented: not in the query
        ("a red boat", ["re"], ["a blue boat"], None, KeptReason.NO_CONCEPT),  # part of a word
        ("a crimson boat", ["crimson"], [], None, KeptReason.EMPTY),
        ("a crimson boat", ["crimson"], ["  \n"], None, KeptReason.EMPTY),
        ("a crimson boat", ["crimson"], ["A  Crimson boat"], None, KeptReason.UNCHANGED),
        ("a crimson boat", ["crimson"], ["a" + " red" * 12 + " boat"], None, KeptReason.TOO_LONG),
        ("dog", ["dog"], ["big black rocket"], Gate(max_growth=1), KeptReason.GROWN),
        ("dog", ["dog"], ["big rocket"], Gate(max_growth=1), KeptReason.NONE),
        ("a crimson boat", ["crimson"], ["a crimson ball"], None, KeptReason.UNCHANGED),
        ("a crimson boat", ["crimson"], ["a crimson ball"], Gate(restore_terms=False), KeptReason.NONE),
        ("a red crimson boat", ["crimson"], ["a red boat"], Gate(max_confidence_drop=0.0), KeptReason.NONE),
        ("a red boat", ["red"], ["a scarlet boat"], Gate(max_confidence_drop=0.1), KeptReason.LESS_CONFIDENT),
        ("a red boat", ["red"], ["a scarlet boat"], Gate(max_confidence_drop=None), KeptReason.NONE),
        ("a red boat", ["red"], ["a scarlet boat"], Gate(confident_at=0.1), KeptReason.CONFIDENT),
    ],
)
def test_reasons_to_keep(text, concepts, rewrites, gate, reason):
    result = serve(text, concepts, *rewrites, gate=gate)
    assert result.kept is reason
    if reason is not KeptReason.NONE:
        assert result.final_text == text
        assert result.after == result.before


def test_a_rewriter_that_does_not_answer_is_not_taken_for_one_that_finds_nothing():
    result = serve("a crimson boat", None)
    assert (result.kept, result.final_text) == (KeptReason.NO_ANSWER, "a crimson boat")


def test_order_does_not_matter_and_every_stage_is_one_call():
    script = {
        "a crimson boat by the tree": (["crimson"], ["a red boat by the tree"]),
        "an azure boat": (["azure"], ["a blue boat"]),
        "a red ball": ([], []),
        "a viridian ball": (["viridian"], [""]),
    }
    queries = [Query(f"q{i}", text) for i, text in enumerate([*script, ""])]
    retriever, rewriter = WordRetriever(), ScriptedRewriter(script)
    results = rewrite_queries(queries, retriever=retriever, rewriter=rewriter)
    assert [result.query for result in results] == queries
    none, no_concept, empty = KeptReason.NONE, KeptReason.NO_CONCEPT, KeptReason.EMPTY
    assert [result.kept for result in results] == [none, none, no_concept, empty, no_concept]
    assert retriever.calls == [("search", 5), ("search", 2)]
    assert rewriter.calls == [("detect", 5), ("rewrite", 3)]
    alone = [rewrite_queries([q], retriever=retriever, rewriter=rewriter)[0] for q in reversed(queries)]
    assert alone[::-1] == results


def test_no_call_is_made_when_nothing_is_open():
    retriever, rewriter = WordRetriever(), ScriptedRewriter({})
    assert rewrite_queries([], retriever=retriever, rewriter=rewriter) == []
    rewrite_queries([Query("q", "a boat")], retriever=retriever, rewriter=rewriter, gate=Gate(confident_at=0.0))
    assert (retriever.calls, rewriter.calls) == ([("search", 1)], [])


def test_rankings_are_cut_at_k():
    rewriter = ScriptedRewriter({"a crimson boat": (["crimson"], ["a red boat"])})
    (result,) = rewrite_queries([Query("q", "a crimson boat")], retriever=WordRetriever(), rewriter=rewriter, k=1)
    assert (len(result.before.hits), len(result.after.hits)) == (1, 1)


def test_steps_stream_as_they_happen_and_end_with_the_same_result():
    script = {"a crimson boat": (["crimson"], ["a red boat"])}
    retriever, rewriter = WordRetriever(), ScriptedRewriter(script)
    query = Query("q", "a crimson boat")
    stream = stream_rewrite(query, retriever=retriever, rewriter=rewriter)
    assert next(stream) == Step("gate", {"before": [["img1", 2.0], ["img3", 2.0], ["img2", 1.0]]} | first_fields())
    assert rewriter.calls == []  # the next step has not begun
    *steps, result = stream
    assert [step.name for step in steps] == ["detect", "rewrite", "verify", "retrieve", "confirm"]
    assert steps[0].update == {"concepts": ["crimson"], "kept": ""}
    assert steps[1].update == {"rewrites": "a red boat"}
    assert isinstance(result, RewriteResult)
    assert result == rewrite_queries([query], retriever=retriever, rewriter=rewriter)[0]


def first_fields():
    return {"concepts": [], "rewrites": "", "after": [], "kept": ""}


def test_a_server_gets_its_objects_late_and_passes_plain_data():
    made = []

    def context():
        made.append(1)
        return Context(
            retriever=WordRetriever(), rewriter=ScriptedRewriter({"a crimson boat": (["crimson"], ["a red boat"])})
        )

    graph = build_graph(context)
    assert made == []
    for _ in range(2):
        state = graph.invoke({"queries": [{"text": "a crimson boat"}]})
        assert (state["rewrites"], state["kept"]) == (["a red boat"], ["rewritten"])
    assert made == [1]
    assert graph.checkpointer is None


def plain_data(value):
    if isinstance(value, dict):
        return all(isinstance(key, str) and plain_data(item) for key, item in value.items())
    if isinstance(value, list):
        return all(map(plain_data, value))
    return value is None or type(value) in (str, int, float)


def test_the_state_is_plain_data():
    context = Context(retriever=WordRetriever(), rewriter=ScriptedRewriter({"a crimson boat": (["crimson"], ["x"])}))
    queries = start_state([Query("q", "a crimson boat"), Query("p", "a boat", image="x.png")])
    assert plain_data(build_graph().invoke(queries, context=context))


def test_no_ground_truth_is_in_reach():
    """Neither the modules nor the context know a record that carries targets."""
    forbidden = {"RetrievalDataset", "ReviewCase", "Reviewer", "Trace", "Attempt", "Review", "TraceSink"}
    for module in (gate, restoring, rewriting, rewriting_nodes, rewriting_state, verification):
        tree = ast.parse(inspect.getsource(module))
        names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        froms = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
        names |= {alias.name for node in froms for alias in node.names}
        assert not names & forbidden
        assert not {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)} & {"similarity", "targets"}
        ours = {node.module for node in froms if (node.module or "").startswith("raqo")}
        allowed = {
            "raqo.agents.prompts",
            "raqo.agents.spans",
            "raqo.errors",
            "raqo.graphs",
            "raqo.protocols",
            "raqo.records",
        }
        served = {"gate", "restoring", "rewriting", "rewriting_nodes", "rewriting_state", "verification"}
        assert ours <= allowed | {f"raqo.graphs.{name}" for name in served}
    assert {field.name for field in dataclasses.fields(Context)} == {"retriever", "rewriter", "gate", "k"}
    assert "target" not in str(typing.get_type_hints(rewriting_state.RewritingState))
