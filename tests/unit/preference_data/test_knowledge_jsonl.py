"""Questions and passages of one's own, in JSONL."""

import gzip
import json
import logging
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from raqo.errors import ConfigError, DataError
from raqo.preference_data.sources.knowledge import load_knowledge
from raqo.preference_data.sources.knowledge_settings import KnowledgeSettings
from raqo.records import Document

ROW = {"id": "q1", "question": "How long does this live?", "image": "a.png", "answers": ["12", "12", "x"]}
PASSAGES = [{"_id": "p1", "title": "Deer", "text": "lives 12 years"}, {"_id": 2, "text": "a  second\none"}]


def write(path: Path, rows: object) -> str:
    lines = "".join(f"{json.dumps(row)}\n" for row in rows)  # type: ignore[attr-defined]
    path.write_bytes(gzip.compress(lines.encode()) if path.suffix == ".gz" else lines.encode())
    return str(path)


def load(folder: Path, rows=(ROW,), passages=PASSAGES, **options):
    (folder / "a.png").touch()
    return load_knowledge(
        KnowledgeSettings(
            benchmark="jsonl",
            questions=write(folder / "mine.jsonl", rows),
            passages=write(folder / "corpus.jsonl.gz", passages),
            **options,
        ),
        cache_dir=folder,
    )


def test_questions_and_passages_are_read_as_written(tmp_path):
    bare = {"id": 7, "question": " Who \n is it? ", "answers": {"Ann": 1, "Bea": 2.5}, "image": None, "more": [1]}
    dataset = load(tmp_path, [ROW, bare, ROW | {"id": "q3", "caption": " a  deer\n"}])
    one, two, three = dataset.questions
    assert (dataset.name, dataset.split) == ("mine", "test")
    assert dataset.documents == (Document("p1", text="Deer lives 12 years"), Document("2", text="a second one"))
    assert (one.query.query_id, one.query.text, one.caption) == ("q1", "How long does this live?", "")
    assert one.query.image == str(tmp_path / "a.png")
    assert list(one.answers.items()) == [("12", 2.0), ("x", 1.0)]
    assert (two.query.query_id, two.query.text, two.query.image) == ("7", "Who is it?", None)
    assert list(two.answers.items()) == [("Bea", 2.5), ("Ann", 1.0)]
    assert three.caption == "a deer"
    assert load(tmp_path, name="deer").name == "deer"


def test_pictures_lie_where_the_setting_says(tmp_path):
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "b.png").touch()
    (one,) = load(tmp_path, [ROW | {"image": "b.png"}], images=str(tmp_path / "pictures")).questions
    assert one.query.image == str(tmp_path / "pictures" / "b.png")
    with pytest.raises(DataError, match="the image folder does not exist"):
        load(tmp_path, images=str(tmp_path / "gone"))


@pytest.mark.parametrize(
    ("row", "reason", "expected"),
    [
        ({"image": "gone.png"}, "missing image", r"mine.jsonl:2: image .*gone.png does not exist"),
        ({"image": "../../etc/passwd"}, "image outside the image folder", r"mine.jsonl:2: image .* lies outside"),
        ({"image": ["a.png"]}, "malformed entry", r"mine.jsonl:2: field 'image' is not text but list"),
        ({"caption": 3}, "malformed entry", r"mine.jsonl:2: field 'caption' is not text but int"),
        ({"answers": []}, "query without target", r"mine.jsonl:2: has no answer"),
        ({"answers": [" "]}, "query without target", r"mine.jsonl:2: has no answer"),
        ({"answers": None}, "malformed entry", r"mine.jsonl:2: answers are neither"),
        ({"answers": "12"}, "malformed entry", r"mine.jsonl:2: answers are neither"),
        ({"question": "  "}, "empty text", r"mine.jsonl:2: field 'question' is empty"),
        ({"id": None}, "malformed entry", r"mine.jsonl:2: no text or number in field 'id'"),
        ({"id": "q1"}, "duplicate id", r"mine.jsonl: question 'q1' occurs twice"),
    ],
)
def test_a_bad_question_is_one_error_or_a_counted_skip(tmp_path, caplog, row, reason, expected):
    rows = [ROW, ROW | {"id": "q2"} | row, ROW | {"id": "q3"}]
    with pytest.raises(DataError, match=expected):
        load(tmp_path, rows)
    with caplog.at_level(logging.WARNING):
        kept = load(tmp_path, rows, on_error="skip").questions
    assert [one.query.query_id for one in kept] == ["q1", "q3"]
    assert f"skipped 1 entries: {reason}" in caplog.text


@pytest.mark.parametrize(
    ("passage", "reason", "expected"),
    [
        ({"_id": "p1", "text": "again"}, "duplicate id", r"corpus.jsonl.gz: passage 'p1' occurs twice"),
        ({"_id": "p9", "text": " "}, "empty text", r"corpus.jsonl.gz:3: the text of 'p9' is empty"),
        ({"text": "nameless"}, "malformed entry", r"corpus.jsonl.gz:3: expected _id and text"),
        ({"_id": "p9", "text": ["x"]}, "malformed entry", r"corpus.jsonl.gz:3: expected _id and text"),
    ],
)
def test_a_bad_passage_is_one_error_or_a_counted_skip(tmp_path, caplog, passage, reason, expected):
    passages = [*PASSAGES, passage, {"_id": "p3", "text": "last"}]
    with pytest.raises(DataError, match=expected):
        load(tmp_path, passages=passages)
    with caplog.at_level(logging.WARNING):
        kept = load(tmp_path, passages=passages, on_error="skip").documents
    assert [one.doc_id for one in kept] == ["p1", "2", "p3"]
    assert f"skipped 1 entries: {reason}" in caplog.text


@pytest.mark.parametrize("on_error", ["fail", "skip"])
def test_nothing_usable_is_an_error_even_when_skipping(tmp_path, on_error):
    with pytest.raises(DataError, match=r"corpus.jsonl.gz: no usable passage"):
        load(tmp_path, passages=[], on_error=on_error)
    with pytest.raises(DataError, match=r"mine.jsonl: no usable question"):
        load(tmp_path, rows=[], on_error=on_error)


def test_a_passage_of_five_megabytes_is_a_passage(tmp_path):
    text = "word " * 1_000_000
    (long,) = load(tmp_path, passages=[{"_id": "p1", "text": text}]).documents
    assert long.text == text.strip()


def test_passages_may_be_those_of_other_questions(tmp_path):
    documents = load(tmp_path).documents
    own = KnowledgeSettings(benchmark="jsonl", questions=str(tmp_path / "mine.jsonl"))
    assert load_knowledge(own, cache_dir=tmp_path, documents=documents).documents is documents
    with pytest.raises(ConfigError, match="no path is set; name the corpus of jsonl"):
        load_knowledge(own, cache_dir=tmp_path)


def test_the_sample_has_no_files_to_name():
    with pytest.raises(ConfigError, match="the sample has no files"):
        KnowledgeSettings(benchmark="sample", passages="corpus.jsonl")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.text(max_size=4) | st.just(float("nan")) | st.just("a.png"),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=4,
)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None, max_examples=150
)
@given(
    row=st.fixed_dictionaries(dict.fromkeys(ROW, VALUES)) | VALUES,
    field=st.sampled_from([*ROW, "caption"]),
    value=VALUES,
)
def test_any_line_gives_a_question_or_is_noted(tmp_path, row, field, value):
    found = load(tmp_path, [ROW, row, ROW | {"id": "q2"} | {field: value}], on_error="skip").questions
    assert found[0].query.query_id == "q1"
    for one in found:
        assert one.query.text.strip()
        assert all(isinstance(answer, str) and answer.strip() for answer in one.answers)
        assert one.query.image is None or Path(one.query.image).is_file()
        assert one.caption == " ".join(one.caption.split())


TEXTS = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=8).filter(str.strip)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None, max_examples=60
)
@given(
    st.dictionaries(TEXTS, st.tuples(TEXTS, st.lists(TEXTS, min_size=1, max_size=3), st.text(max_size=5)), min_size=1)
)
def test_what_is_written_is_read_back(tmp_path, asked):
    asked = {" ".join(name.split()): parts for name, parts in asked.items()}
    rows = [
        {"id": name, "question": text, "answers": answers, "caption": caption}
        for name, (text, answers, caption) in asked.items()
    ]
    found = load(tmp_path, rows, on_error="skip").questions
    assert [one.query.query_id for one in found] == list(asked)
    for one, (text, answers, _) in zip(found, asked.values(), strict=True):
        assert one.query.text == " ".join(text.split())
        assert set(one.answers) == set(answers)
        assert sum(one.answers.values()) == len(answers)
