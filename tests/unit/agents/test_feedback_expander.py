import pytest
from expansion_doubles import KindEncoder

from raqo.agents.corpus_words import count_words
from raqo.agents.feedback_expander import FeedbackExpander, FeedbackExpanderSettings
from raqo.agents.relevance_feedback import feedback_terms
from raqo.errors import ConfigError, DataError
from raqo.protocols import Expander, ExpansionCase, Resolution, TriedExpansion
from raqo.records import Query

CORPUS = (
    "A canine likes marrow bones.",
    "The canine and the hound run.",
    "An automobile needs oil.",
    "A chime is made of bronze.",
)


def expander(**settings):
    return FeedbackExpander(count_words(CORPUS), KindEncoder(), settings=FeedbackExpanderSettings(**settings))


def case(*, implicit=(("dog", 1.0),), passages=(CORPUS[0],), tried=(), text="What does this animal eat?"):
    return ExpansionCase(
        query=Query("q", text),
        caption="a dog in the snow",
        resolution=Resolution(text, implicit, ("animal", "this")),
        passages=passages,
        tried=tried,
    )


def expand(one, n=12, **settings):
    (expanded,) = expander(**settings).expand([one], n=n, temperature=0.2)
    return expanded.answer


def test_keywords_come_with_words_of_the_corpus_near_them():
    found = expand(case())
    assert found[0] == "dog"
    assert "dog canine" in found
    assert "dog hound" in found
    assert not [text for text in found if "automobile" in text]
    assert isinstance(expander(), Expander)


def test_words_of_the_retrieved_passages_are_proposed_without_those_known_already():
    found = expand(case())
    assert "bones likes marrow canine" in found, "rare words first; the canine stands in two passages"


def test_keywords_take_turns_and_no_more_come_than_wanted():
    found = expand(case(implicit=(("dog", 1.0), ("car", 0.9))))
    assert found[:2] == ("dog", "car")
    assert len(expand(case(), n=2)) == 2


def test_without_a_picture_the_rarest_words_of_the_question_are_the_keywords():
    found = expand(case(implicit=(), text="Which dog?"))
    assert "canine" in found
    assert "dog" not in found


def test_optimisation_adds_what_the_best_ones_found_and_joins_them():
    tried = (TriedExpansion("dog canine", 0.9, (CORPUS[1],)), TriedExpansion("dog hound", 0.5, (CORPUS[0],)))
    found = expand(case(tried=tried))
    assert found[0] == "dog canine hound run"
    assert "dog canine hound" in found


def test_a_batch_gives_what_each_question_gives_alone():
    cases = [case(), case(implicit=(("bell", 1.0),), passages=()), case(implicit=(), text="Of the?", passages=())]
    built = expander()
    together = built.expand(cases, n=12, temperature=0.2)
    assert together == [built.expand([one], n=12, temperature=0.7)[0] for one in cases]
    assert together[2].answer == ()


def test_a_corpus_without_words_and_senseless_settings_are_refused():
    with pytest.raises(DataError, match="no words"):
        FeedbackExpander(count_words(["..."]), KindEncoder())
    with pytest.raises(ConfigError, match=r"feedback\.neighbours"):
        FeedbackExpanderSettings(neighbours=0)


def test_feedback_terms_weigh_ranks_and_rarity():
    shares = {"common": 1.0, "rare": 0.01, "usual": 0.5}
    passages = ("common rare usual", "usual usual usual")
    found = feedback_terms(passages, exclude=(), document_share=shares.__getitem__, n=5)
    assert found == ["rare", "usual"], "a word that every passage holds tells nothing"
    assert feedback_terms(passages, exclude=("rare",), document_share=shares.__getitem__, n=1) == ["usual"]
    assert feedback_terms((), exclude=(), document_share=shares.__getitem__, n=5) == []
