"""The sample world: its size, its near-twins, and that no split leaks into another."""

import random
import re
from collections import defaultdict
from dataclasses import replace

import pytest

from raqo.agents.spans import forms_of, is_content
from raqo.sample.captions import FORMS, SHORT_FORMS, caption, mentions, short_caption
from raqo.sample.queries import challenging_query, plain_query, retriever_caption
from raqo.sample.scene import COLOURS, KINDS, RELATIONS, SETTINGS, Scene, SceneObject
from raqo.sample.vocabulary import HELD_OUT, NEVER_CAPTIONED, concepts
from raqo.sample.world import SPLIT_SIZES, WorldScene, split_scenes


@pytest.fixture(scope="module")
def world() -> dict[str, list[WorldScene]]:
    return split_scenes(0)


def bare(item: WorldScene) -> Scene:
    return replace(item.scene, seed=0)


def differences(a: Scene, b: Scene) -> int:
    """In how many things two scenes differ."""
    if len(a.objects) != len(b.objects):
        return 99
    own = [(a.setting, b.setting), (a.relation, b.relation)]
    for one, other in zip(a.objects, b.objects, strict=True):
        own += [(getattr(one, name), getattr(other, name)) for name in ("kind", "colour", "size", "pattern")]
    return sum(x != y for x, y in own)


def test_the_world_is_as_large_as_promised(world: dict[str, list[WorldScene]]) -> None:
    assert len(KINDS) >= 30
    assert len(COLOURS) == 10
    assert len(RELATIONS) == len(SETTINGS) == 6
    assert len(FORMS) >= 12
    assert {name: len(items) for name, items in world.items()} == SPLIT_SIZES
    assert (SPLIT_SIZES["train"], SPLIT_SIZES["val"], SPLIT_SIZES["test"]) == (4000, 500, 1000)


def test_no_scene_occurs_twice_in_one_split_or_across_splits(world: dict[str, list[WorldScene]]) -> None:
    scenes = [bare(item) for items in world.values() for item in items]
    assert len(set(scenes)) == len(scenes)


def test_the_world_is_deterministic_by_seed() -> None:
    assert split_scenes(3)["val"] == split_scenes(3)["val"]
    assert split_scenes(3)["val"] != split_scenes(4)["val"]


def test_most_test_scenes_have_a_twin_that_differs_in_exactly_one_thing(world: dict[str, list[WorldScene]]) -> None:
    scenes = [bare(item) for item in world["test"]]
    near: dict[int, bool] = defaultdict(bool)
    for i, scene in enumerate(scenes):
        # twins stand beside each other
        near[i] = any(
            differences(scene, scenes[j]) == 1 for j in range(max(0, i - 3), min(len(scenes), i + 4)) if j != i
        )
    assert sum(near.values()) >= 500


def test_wordings_are_unique_and_divided_as_documented() -> None:
    table = concepts()
    wordings = [word for concept in table.values() for word in concept.wordings]
    assert len(set(wordings)) == len(wordings)
    for concept in table.values():
        assert len(concept.rare) == 5
        parts = (concept.unknown, concept.held_out, concept.captioned_rare)
        assert sorted(word for part in parts for word in part) == sorted(concept.rare)
    assert len(NEVER_CAPTIONED) / 5 >= 1 / 3
    assert HELD_OUT


def occurs(phrase: str, text: str) -> bool:
    return re.search(rf"(?<![\w-]){re.escape(phrase)}(?![\w-])", text) is not None


def test_words_of_the_unseen_split_occur_nowhere_in_what_the_rewriter_learns_from(
    world: dict[str, list[WorldScene]],
) -> None:
    rng = random.Random(0)
    learnt = "\n".join(
        challenging_query(item.scene, rng, held_out=False, focus=item.focus).text for item in world["train"]
    )
    held_out = [word for concept in concepts().values() for word in concept.held_out]
    assert [word for word in held_out if occurs(word, learnt)] == []


def test_held_out_wordings_share_no_content_word_with_those_that_mining_meets() -> None:
    met = [word for concept in concepts().values() for word in (concept.common, concept.familiar, *concept.unknown)]
    known = {form for word in met for form in forms_of(word) if is_content(form)}
    for concept in concepts().values():
        for word in concept.held_out:
            content = {form for form in forms_of(word) if is_content(form)}
            assert content, word
            assert not content & known, word


def test_short_forms_say_what_they_speak_of() -> None:
    scene = Scene("snow", "chasing", (SceneObject("dog", "red", "small"), SceneObject("car", "blue")))
    said = mentions(scene)
    texts = []
    for form, (spoken_of, _) in enumerate(SHORT_FORMS):
        some = [mention for mention in said if mention.part in spoken_of]
        texts.append(short_caption(some, [mention.concept.common for mention in some], form))
    assert len(set(texts)) == len(SHORT_FORMS)
    assert texts[1] == "a small red dog"
    assert texts[4] == "in the snow"
    assert texts[10] == "a small red dog chasing a blue car"


def test_the_retrievers_captions_never_use_the_words_it_must_not_know(world: dict[str, list[WorldScene]]) -> None:
    rng = random.Random(0)
    captions = "\n".join(retriever_caption(item.scene, rng) for item in world["retriever"][:20_000])
    never = [concept.rare[i] for concept in concepts().values() for i in NEVER_CAPTIONED]
    assert [word for word in never if occurs(word, captions)] == []
    assert all(occurs(concept.common, captions) for concept in concepts().values())


def test_a_challenging_query_says_the_same_scene_in_rare_words(world: dict[str, list[WorldScene]]) -> None:
    rng = random.Random(1)
    for item in world["val"][:200]:
        query = challenging_query(item.scene, rng, held_out=True, focus=item.focus)
        assert 2 <= len(query.challenging) <= 4
        assert all(occurs(word, query.text) for word in query.challenging)
        assert query.text != query.reference
        assert not any(occurs(word, query.reference) for word in query.challenging)
        assert plain_query(item.scene, rng).challenging == ()


def test_every_form_says_every_mention() -> None:
    things = (
        SceneObject("dog", "red", "small"),
        SceneObject("car", "blue", pattern="striped"),
        SceneObject("hat", "pink"),
    )
    scene = Scene("snow", "chasing", things)
    said = mentions(scene)
    words = [mention.concept.common for mention in said]
    assert words == ["small", "red", "dog", "blue", "striped", "car", "pink", "hat", "chasing", "in the snow"]
    texts = {caption(said, words, form) for form in range(len(FORMS))}
    assert len(texts) == len(FORMS)
    for text in texts:
        assert all(word in text for word in words)
    assert caption(said, words, 0) == "a small red dog chasing a blue striped car in the snow, with a pink hat nearby"


def test_articles_follow_the_next_word() -> None:
    scene = Scene("night", "behind", (SceneObject("cup", "orange"), SceneObject("dog", "red")))
    said = mentions(scene)
    assert caption(said, [mention.concept.common for mention in said], 0) == "an orange cup behind a red dog at night"


def test_the_unknown_words_are_no_words_of_the_world() -> None:
    from raqo.sample.weights import UNKNOWN_WORDS

    world = {
        part for concept in concepts().values() for word in concept.wordings for part in re.findall(r"[a-z]+", word)
    }
    assert world.isdisjoint(UNKNOWN_WORDS.read_text(encoding="utf-8").split())
