"""The knowledge task: a corpus that tells every fact, and questions that only the picture makes answerable."""

import random
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from raqo.errors import ConfigError
from raqo.records import Document, KnowledgeDataset, Query
from raqo.retrievers.bm25.retriever import Bm25Retriever
from raqo.retrievers.settings import RetrieverSettings
from raqo.sample.drawing import render
from raqo.sample.knowledge import QUESTIONS, knowledge_dataset, questions_about
from raqo.sample.knowledge_facts import CLASS_OF, common_name, corpus_name, facts
from raqo.sample.knowledge_forms import FORMS
from raqo.sample.knowledge_text import PASSAGES, Passage, passages
from raqo.sample.pen import PAINTS
from raqo.sample.questions import ANNOTATORS, SceneQuestion, mirrored, referring
from raqo.sample.scene import KINDS, Scene, SceneObject
from raqo.sample.vocabulary import concepts
from raqo.sample.world import split_scenes


@pytest.fixture(scope="module")
def corpus() -> list[Passage]:
    return passages(0)


@pytest.fixture(scope="module")
def asked() -> dict[str, list[tuple[Scene, SceneQuestion]]]:
    found = {}
    for split, count in QUESTIONS.items():
        scenes = [item.scene for item in split_scenes(0)[split][:count]]
        found[split] = list(zip(scenes, questions_about(scenes, split), strict=True))
    return found


def test_facts_cover_the_world():
    assert set(CLASS_OF) == set(KINDS)
    per_kind = Counter(fact.kind for fact in facts())
    assert min(per_kind[kind] for kind in KINDS) >= 9
    assert len({(fact.kind, fact.aspect) for fact in facts()}) == len(facts())
    assert {fact.aspect for fact in facts()} == set(FORMS)


def test_the_corpus_names_kinds_in_words_of_the_vocabulary():
    for kind in KINDS:
        assert corpus_name(kind).singular in concepts()["kind", kind].wordings
    assert sum(corpus_name(kind) != common_name(kind) for kind in KINDS) > len(KINDS) / 2


def test_the_corpus_has_its_size_and_is_deterministic(corpus):
    assert len(corpus) == PASSAGES
    assert len({passage.text for passage in corpus}) == PASSAGES
    assert corpus == passages(0)
    assert corpus != passages(1)


def test_every_fact_stands_in_its_four_passages_and_hardly_anywhere_else(corpus):
    texts = [passage.text.lower() for passage in corpus]
    strays = 0
    for fact in facts():
        own = [passage for passage in corpus if passage.fact == fact]
        assert len(own) == 4
        for passage in own:
            assert any(answer in passage.text.lower() for answer in map(str.lower, fact.answers))
        holding = sum(any(answer.lower() in text for answer in fact.answers) for text in texts)
        strays += holding - 4
    assert strays <= 5


def test_distractors_hold_no_answer(corpus):
    answers = {answer.lower() for fact in facts() for answer in fact.answers}
    distractors = [passage.text.lower() for passage in corpus if passage.fact is None]
    assert len(distractors) >= 400
    assert not any(answer in text for text in distractors for answer in answers)


def test_texts_are_sentences(corpus, asked):
    texts = [passage.text for passage in corpus]
    texts += [text for rows in asked.values() for _, one in rows for text in (one.text, one.reference)]
    for text in texts:
        assert re.fullmatch(r"[A-Z0-9][^{}]*[.?]", text), text
        assert not re.search(r"  | [,.?;]|\b[Aa] [aeiou]|\b[Aa]n (?!hour)[^aeiou]|\b(\w+) \1\b", text), text


def test_question_texts_do_not_name_what_they_ask_about(asked):
    for scene, one in (pair for rows in asked.values() for pair in rows):
        kind = one.fact.kind
        assert kind in {thing.kind for thing in scene.objects}
        for word in {*concepts()["kind", kind].wordings, corpus_name(kind).plural, common_name(kind).plural}:
            assert not re.search(rf"\b{re.escape(word)}\b", one.text), one
        assert re.search(rf"\b{corpus_name(kind).singular}\b", one.reference)
        assert re.search(rf"\b{kind}\b", one.caption)


def test_the_same_words_ask_about_different_things(asked):
    meant: dict[str, set[str]] = {}
    rows = [one for rows in asked.values() for _, one in rows]
    for one in rows:
        meant.setdefault(one.text, set()).add(one.fact.kind)
    assert sum(len(meant[one.text]) > 1 for one in rows) > len(rows) / 4


def test_ten_people_answer(asked):
    for _, one in (pair for rows in asked.values() for pair in rows):
        assert sum(one.answers.values()) == ANNOTATORS
        assert list(one.answers.values()) == sorted(one.answers.values(), reverse=True)
        assert set(one.answers) <= {answer.lower() for answer in one.fact.answers}


def test_splits_share_no_scene(asked):
    seen = [replace(scene, seed=0) for rows in asked.values() for scene, _ in rows]
    assert len(seen) == len(set(seen)) == sum(QUESTIONS.values()) == 1_500


def test_pointing_words_fit_one_object_only():
    two = Scene("snow", "chasing", (SceneObject("dog", "red"), SceneObject("cat", "blue")), seed=1)
    assert not any("this animal" in text for text in referring(two, 0))
    assert "the animal chasing the blue cat" in referring(two, 0)
    assert "the animal chased by the red dog" in referring(two, 1)
    assert "this animal" in referring(replace(two, objects=(SceneObject("dog", "red"), SceneObject("cup", "blue"))), 0)
    three = replace(two, relation="next to", objects=(*two.objects, SceneObject("bell", "pink", "small")))
    assert referring(three, 2) == ["the small pink thing"]
    assert not any(re.search("next to|left|right", text) for text in referring(three, 0))
    upright = replace(two, relation="on top of")
    assert not any(re.search("left|right", text) for text in referring(upright, 0))


def middle(scene: Scene, colour: str) -> float:
    """Mean horizontal position of the dots painted in the body colour."""
    picture = np.asarray(render(scene, pixels=160)).astype(int)
    columns = np.nonzero((np.abs(picture - np.array(PAINTS[colour].main)) < 6).all(axis=2))[1]
    assert columns.size > 20
    return float(columns.mean())


@pytest.mark.parametrize("relation", ["next to", "behind", "far from", "chasing", "leaning against"])
def test_left_and_right_are_those_of_the_picture(relation):
    rng = random.Random(relation)
    sides = set()
    for _ in range(6):
        scene = Scene("desert", relation, (SceneObject("house", "pink"), SceneObject("car", "blue")), rng.randrange(99))
        left = middle(scene, "pink") < middle(scene, "blue")
        assert f"the thing {'left' if left else 'right'} of the blue car" in referring(scene, 0)
        assert f"the vehicle {'right' if left else 'left'} of the pink house" in referring(scene, 1)
        assert left != mirrored(scene)
        sides.add(left)
    assert sides == {True, False}


def hit_at_5(texts: list[str], asked: list[SceneQuestion], corpus: list[Passage], index_dir: Path) -> float:
    documents = [Document(str(index), text=passage.text) for index, passage in enumerate(corpus)]
    retriever = Bm25Retriever.build(RetrieverSettings(kind="bm25"), documents, index_dir=index_dir)
    rankings = retriever.search([Query(str(index), text) for index, text in enumerate(texts)], k=5)
    hits = [
        any(answer in corpus[int(hit.doc_id)].text.lower() for hit in ranking.hits for answer in one.answers)
        for ranking, one in zip(rankings, asked, strict=True)
    ]
    return sum(hits) / len(hits)


def test_words_alone_find_little_and_the_reference_much_more(asked, corpus, tmp_path):
    rows = [one for _, one in asked["test"]]
    question = hit_at_5([one.text for one in rows], rows, corpus, tmp_path)
    captioned = hit_at_5([f"{one.text} {one.caption}" for one in rows], rows, corpus, tmp_path)
    reference = hit_at_5([one.reference for one in rows], rows, corpus, tmp_path)
    assert question < 0.3
    assert question < captioned < 0.4
    assert 0.8 < reference < 0.95


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> KnowledgeDataset:
    return knowledge_dataset("val", cache_dir=tmp_path_factory.mktemp("world"), limit=4)


def test_the_dataset_joins_questions_pictures_and_passages(small):
    texts = {document.doc_id: document.text for document in small.documents}
    assert (small.name, small.split, len(texts), len(small.questions)) == ("sample-knowledge", "val", PASSAGES, 4)
    for question in small.questions:
        assert Path(question.query.image).is_file()
        assert len(question.targets) == 4
        for target in question.targets:
            assert any(answer in texts[target].lower() for answer in question.answers)
        assert question.caption
        assert question.reference


def test_a_longer_dataset_begins_with_the_shorter(small):
    folder = Path(small.questions[0].query.image).parents[2]
    longer = knowledge_dataset("val", cache_dir=folder, limit=6)
    assert longer.questions[:4] == small.questions
    assert longer.documents == small.documents


def test_an_unknown_split_is_named(tmp_path):
    with pytest.raises(ConfigError, match="'tst'.*did you mean 'test'"):
        knowledge_dataset("tst", cache_dir=tmp_path)
