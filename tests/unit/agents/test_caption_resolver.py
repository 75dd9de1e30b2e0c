import pytest
from expansion_doubles import KindEncoder

from raqo.agents.caption_resolver import CaptionResolver, CaptionResolverSettings, renamed
from raqo.agents.noun_chunks import chunks
from raqo.errors import ConfigError
from raqo.protocols import Resolution, Resolver
from raqo.records import Query


def resolve(question, caption, **settings):
    resolver = CaptionResolver(KindEncoder(), settings=CaptionResolverSettings(**settings))
    assert isinstance(resolver, Resolver)
    (resolved,) = resolver.resolve([Query("q", question)], [caption])
    return resolved.answer


@pytest.mark.parametrize(
    ("caption", "found"),
    [
        ("in the snow, a drum is leaning against a pink cactus", [("snow",), ("drum",), ("pink", "cactus")]),
        ("one pink ball far from one yellow truck", [("pink", "ball"), ("yellow", "truck")]),
        ("steam locomotive, industrial area", [("steam", "locomotive"), ("industrial", "area")]),
        ("", []),
        ("of the and", []),
    ],
)  # fmt: skip
def test_captions_are_cut_into_noun_chunks(caption, found):
    assert chunks(caption) == found


def test_a_noun_is_what_is_nearest_to_it():
    found = resolve("What does this animal eat?", "a red car behind a black dog in the snow")
    assert found.implicit[0] == ("dog", 1.0)
    assert dict(found.implicit)["car"] < 0.5
    assert found.pointing == ("animal", "this")
    assert found.text == "What does the dog eat?"


def test_what_the_question_names_is_a_landmark():
    found = resolve("What is the thing left of the red car made of?", "a red car behind a black bell")
    assert [keyword for keyword, _ in found.implicit] == ["bell"]
    assert {"red", "car", "left", "thing"} <= set(found.pointing)
    assert "made" not in found.pointing


def test_repeated_adjectives_tell_which_one_is_meant():
    found = resolve("What is the green thing made of?", "a red bell and a green drum")
    assert found.implicit[0][0] == "drum"
    assert "green" in found.pointing


def test_names_in_a_list_stay_whole_and_adjectives_in_a_sentence_do_not():
    assert resolve("What is this vehicle?", "steam car, snow").implicit[0][0] == "steam car"
    assert resolve("What is this vehicle?", "the steam car in the snow").implicit[0][0] == "car"


@pytest.mark.parametrize("caption", ["", "the of and", "dog"])
def test_a_question_without_candidates_stays_as_it_came(caption):
    question = "What does this dog eat?"
    assert resolve(question, caption) == Resolution(question)


def test_only_the_likeliest_keywords_are_kept():
    assert len(resolve("What is this animal?", "dog, car, drum, bell", keywords=2).implicit) == 2


def test_questions_do_not_depend_on_each_other():
    queries = [Query("a", "What does this animal eat?"), Query("b", "What is this vehicle?"), Query("c", "Why?")]
    captions = ["a dog and a car", "a dog and a car", ""]
    resolver = CaptionResolver(KindEncoder())
    together = resolver.resolve(queries, captions)
    alone = [resolver.resolve([query], [caption])[0] for query, caption in zip(queries, captions, strict=True)]
    assert together == alone


@pytest.mark.parametrize(
    ("question", "noun", "pointing", "text"),
    [
        ("What is the thing left of the car made of?", "thing", {"thing", "left", "car"}, "What is the X made of?"),
        ("What does the thing on the left stand for?", "thing", {"thing", "left"}, "What does the X stand for?"),
        ("What is the small pink plant called?", "plant", {"small", "pink", "plant"}, "What is the X called?"),
        ("How old is this?", "", {"this"}, "How old is this? X"),
        ("THIS ANIMAL?", "animal", {"this", "animal"}, "the X?"),
    ],
)  # fmt: skip
def test_what_points_is_replaced_by_the_name_and_nothing_else(question, noun, pointing, text):
    assert renamed(question, noun, pointing, "X") == text


def test_senseless_settings_are_refused():
    with pytest.raises(ConfigError, match="resolver"):
        CaptionResolverSettings(keywords=0)
