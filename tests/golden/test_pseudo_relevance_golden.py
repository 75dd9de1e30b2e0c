"""Golden values of the pseudo-relevance metrics.

Worked out by hand from the definitions of Luo et al. 2021 (substring) and Qu et al. 2021 (word boundaries).
"""

import pytest

from raqo.evaluation.pseudo_relevance import AnswerForm, Match, PseudoRelevance, per_question

MIXED = ["nothing here", "A Cat sat on the category list", "race cars racing", "the teddy bears", "TEDDY bear"]
CATS = ["the category tree", "a dog", "cats", "bobcat", "cat."]

CASES = [
    (MIXED, {"cat", "racing"}, Match.SUBSTRING, {"p@1": 0.0, "r@1": 0.0, "p@5": 0.4, "r@5": 1.0, "mrr@5": 0.5}),
    (MIXED, {"cat", "racing"}, Match.WORD, {"p@1": 0.0, "p@5": 0.4, "r@5": 1.0, "mrr@5": 0.5}),
    (CATS, {"cat"}, Match.SUBSTRING, {"p@1": 1.0, "p@5": 0.8, "r@5": 1.0, "mrr@5": 1.0}),
    (CATS, {"cat"}, Match.WORD, {"p@1": 0.0, "p@5": 0.2, "r@5": 1.0, "mrr@5": 0.2}),
    (["a cat", "the cat"], {"cat"}, Match.SUBSTRING, {"p@1": 1.0, "p@5": 0.4, "r@5": 1.0}),
    (["a cat", "the cat"], {"cat"}, Match.WORD, {"p@5": 0.4, "r@10": 1.0, "p@10": 0.2}),
    ([], {"cat"}, Match.WORD, {"p@1": 0.0, "r@10": 0.0, "mrr@5": 0.0}),
]


@pytest.mark.parametrize(("texts", "answers", "match", "expected"), CASES)
def test_golden(texts: list[str], answers: set[str], match: Match, expected: dict[str, float]) -> None:
    mode = PseudoRelevance(match=match)
    found = per_question([texts], [answers], mode=mode, ks=(1, 5, 10))
    assert {name: found[f"{name}[{mode.label}]"].item() for name in expected} == pytest.approx(expected)


def test_the_name_carries_the_mode() -> None:
    mode = PseudoRelevance(match=Match.WORD, answers=AnswerForm.STEMMED)
    assert set(per_question([], [], mode=mode, ks=(5,))) == {
        "p@5[word-stemmed]",
        "r@5[word-stemmed]",
        "mrr@5[word-stemmed]",
    }


def test_stemmed_answers_meet_unstemmed_passages() -> None:
    texts = ["the teddy bears", "a stuffed animal", "teddi bear"]
    stemmed, raw = {"teddi bear", "stuf anim"}, {"teddy bear", "stuffed animal"}
    for match, answers, expected in (
        (Match.SUBSTRING, raw, [2 / 3]),
        (Match.WORD, raw, [1 / 3]),
        (Match.SUBSTRING, stemmed, [1 / 3]),
    ):
        mode = PseudoRelevance(match=match)
        assert per_question([texts], [answers], mode=mode, ks=(3,))[f"p@3[{mode.label}]"].tolist() == expected
