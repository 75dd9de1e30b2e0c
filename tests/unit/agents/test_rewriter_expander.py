from raqo.agents.rewriter_expander import RewriterExpander
from raqo.protocols import Expanded, Expander, ExpansionCase, Resolution, TriedExpansion
from raqo.records import Failure, FailureKind, Query


class ScriptedRewriter:
    fingerprint = "scripted"

    def __init__(self, rewrites):
        self.rewrites, self.asked = rewrites, []

    def detect(self, texts):
        return [None for _ in texts]

    def rewrite(self, texts, concepts, *, n=1):
        self.asked.append((list(texts), list(concepts), n))
        return [list(self.rewrites)[:n] for _ in texts]


class Refiner:
    name, prompt_hash = "refiner", "hash"

    def expand(self, cases, *, n, temperature):
        return [Expanded(("from the refiner", "rewrite one")) for _ in cases]


def case(*, tried=()):
    query = Query("q", "What does this animal eat?")
    return ExpansionCase(query=query, caption="a dog", resolution=Resolution(query.text), tried=tried)


TRIED = case(tried=(TriedExpansion("x", 1.0, ()),))


def test_the_rewriter_reads_question_and_caption_as_it_was_taught():
    rewriter = ScriptedRewriter(["rewrite one", "rewrite two"])
    expander = RewriterExpander(rewriter, rewrites=2)
    (expanded,) = expander.expand([case()], n=12, temperature=0.2)
    assert rewriter.asked == [(["What does this animal eat? a dog"], [()], 2)]
    assert expanded.answer == ("rewrite one", "rewrite two")
    assert isinstance(expander, Expander)


def test_the_refiner_adds_its_own_and_alone_optimises():
    rewriter = ScriptedRewriter(["rewrite one"])
    new, old = RewriterExpander(rewriter, refiner=Refiner()).expand([case(), TRIED], n=12, temperature=0.2)
    assert new.answer == ("rewrite one", "from the refiner")
    assert old.answer == ("from the refiner", "rewrite one")
    assert len(rewriter.asked[0][0]) == 1, "what was tried is not rewritten"


def test_without_refiner_nothing_is_optimised():
    rewriter = ScriptedRewriter(["rewrite one"])
    (expanded,) = RewriterExpander(rewriter).expand([TRIED], n=8, temperature=0.7)
    assert expanded.answer == ()
    assert rewriter.asked == []


def test_an_empty_answer_is_a_typed_failure():
    (expanded,) = RewriterExpander(ScriptedRewriter([])).expand([case()], n=8, temperature=0.2)
    assert isinstance(expanded.answer, Failure)
    assert expanded.answer.kind is FailureKind.EMPTY
