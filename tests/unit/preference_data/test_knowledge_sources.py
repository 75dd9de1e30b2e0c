"""The knowledge benchmarks' files, written small in the form in which they are published."""

import base64
import gzip
import json
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from raqo.errors import ConfigError, DataError
from raqo.preference_data.sources.knowledge import read_passages, read_questions
from raqo.preference_data.sources.knowledge_settings import KnowledgeSettings
from raqo.preference_data.sources.problems import Problems
from raqo.preference_data.sources.published import PASSAGES, PUBLISHED, Size, check_count
from raqo.preference_data.sources.wit import WitEntry, read_wit
from raqo.records import Document, Question

OKVQA_TRAIN = Path(__file__).parents[4] / "shared" / "data" / "okvqa_train" / "okvqa_train.json"


def write_json(path: Path, content: Any) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")
    return str(path)


def write_lines(path: Path, rows: Iterable[Any]) -> str:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return str(path)


def questions(**options: Any) -> tuple[Question, ...]:
    return read_questions(KnowledgeSettings(**{"counts": "ignore", **options}))


def passages(benchmark: str, path: str, **options: Any) -> list[Document]:
    options = {"counts": "ignore", **options}
    return list(read_passages(KnowledgeSettings(benchmark=benchmark, passages=path, **options)))  # type: ignore[arg-type]


def annotation(question_id: int, *given: tuple[str, str]) -> dict[str, Any]:
    answers = [{"answer_id": i, "raw_answer": raw, "answer": stem} for i, (raw, stem) in enumerate(given)]
    return {"question_id": question_id, "image_id": 42, "answers": answers}


def test_okvqa_official_has_raw_and_stemmed_answers_with_votes(tmp_path):
    asked = [{"image_id": 42, "question": " What sport \n is this? ", "question_id": 421}]
    given = [("motocross", "motocross"), *[("racing", "race")] * 3]
    options = {
        "benchmark": "okvqa-wk11m",
        "questions": write_json(tmp_path / "q.json", {"info": {}, "questions": asked}),
        "annotations": write_json(tmp_path / "a.json", {"annotations": [annotation(421, *given)]}),
    }
    (one,) = questions(**options)
    assert (one.query.query_id, one.query.text, one.query.image) == ("421", "What sport is this?", None)
    assert list(one.answers.items()) == [("racing", 3.0), ("motocross", 1.0)]
    assert one.stemmed == {"race": 3.0, "motocross": 1.0}
    (tmp_path / "val2014").mkdir()
    file = tmp_path / "val2014" / "COCO_val2014_000000000042.jpg"
    file.write_bytes(b"x")
    assert questions(**options, images=str(tmp_path))[0].query.image == str(file)
    with pytest.raises(DataError, match=r"q.json: questions\[0\]: image .*COCO_train2014_000000000042.jpg does not"):
        questions(**options, images=str(tmp_path), split="train")


def test_okvqa_official_needs_its_answers(tmp_path):
    path = write_json(tmp_path / "q.json", {"questions": [{"image_id": 4, "question": "x?", "question_id": 1}]})
    with pytest.raises(DataError, match="questions without answers; set annotations"):
        questions(benchmark="okvqa-wk11m", questions=path)
    other = write_json(tmp_path / "a.json", {"annotations": [annotation(9, ("a", "a"))]})
    with pytest.raises(DataError, match=r"questions\[0\]: question 1 is not annotated"):
        questions(benchmark="okvqa-wk11m", questions=path, annotations=other)


def test_luos_reader_file(tmp_path):
    row = {
        "sent": "How old?",
        "question_id": 5,
        "label": {"18": 0.667, "eighteen": 1},
        "img_id": "COCO_train2014_000000000007",
    }
    (tmp_path / "COCO_train2014_000000000007.jpg").write_bytes(b"x")
    path = write_json(tmp_path / "train.json", [row])
    (one,) = questions(benchmark="okvqa-gs112k", questions=path, images=str(tmp_path))
    assert list(one.answers.items()) == [("eighteen", 1.0), ("18", 0.667)]
    assert one.query.image == str(tmp_path / "COCO_train2014_000000000007.jpg")


def retriever_row(**changes: Any) -> dict[str, Any]:
    row = {
        "question_id": "7", "img_id": "30000001", "question": "Which tree? a hut under a palm",
        "caption": "a hut under a palm",
        "answers": {"palm": 1.0}, "ctxs": [{"id": "google:12", "title": "", "text": "x"}, {"id": "9", "text": "y"}],
    }  # fmt: skip
    return row | changes


def test_luos_retriever_file_gives_back_question_and_caption_apart(tmp_path):
    (one,) = questions(benchmark="okvqa-gs112k", questions=write_json(tmp_path / "t.json", [retriever_row()]))
    assert (one.query.text, one.caption, one.targets) == ("Which tree?", "a hut under a palm", ("12", "9"))


def test_qus_pairs(tmp_path):
    row = {"question_id": 1, "image_id": 3, "question": "Which?", "answers": ["a", "b", "b"]}
    rows = [row, row | {"question_id": 2, "pos_passage": {"passage": "p", "passage_id": "P"}}]
    one, two = questions(benchmark="okvqa-wk11m", questions=write_lines(tmp_path / "train_pairs.txt", rows))
    assert (one.answers, one.targets, two.targets) == ({"b": 2.0, "a": 1.0}, (), ("P",))


def webqa_table(folder: Path, *pictures: tuple[int, bytes]) -> None:
    lines = [f"{number}\t{base64.b64encode(content).decode()}\n" for number, content in pictures]
    (folder / "imgs.tsv").write_text("".join(lines))
    starts = [sum(map(len, lines[:index])) for index in range(len(lines))]
    (folder / "imgs.lineidx").write_text("".join(f"{start}\n" for start in starts))


def test_remuq_has_one_right_passage_and_its_picture(tmp_path):
    webqa_table(tmp_path, (30000000, b"first"), (30000001, b"second"))
    path = write_json(tmp_path / "test.json", [retriever_row()])
    options = {"benchmark": "remuq", "questions": path, "images": str(tmp_path), "cache": str(tmp_path / "cache")}
    (one,) = questions(**options)
    assert one.targets == ("12",)
    assert Path(one.query.image).read_bytes() == b"second"
    assert [file.name for file in (tmp_path / "cache").iterdir()] == ["30000001.jpg"]
    (tmp_path / "imgs.tsv").unlink()
    assert questions(**options) == (one,)


@pytest.mark.parametrize("image", ["30000005", "30000000", "../1"])
def test_remuq_pictures_that_are_not_there(tmp_path, image):
    webqa_table(tmp_path, (30000007, b"first"))
    path = write_json(tmp_path / "test.json", [retriever_row(img_id=image)])
    with pytest.raises(DataError, match=r"test.json: \[0\]: (picture|img_id)"):
        questions(benchmark="remuq", questions=path, images=str(tmp_path), cache=str(tmp_path / "cache"))
    assert not (tmp_path / "cache").exists()


def test_infoseek(tmp_path):
    number = {"wikidata": 21.5, "range": [19.3, 23.6]}
    image = {"image_id": "oven_04925844"}
    rows = [
        image | {"data_id": "v1", "question": "Where?", "answer": ["Spain"], "answer_eval": ["ESP", "Spain"]},
        image | {"data_id": "v2", "question": "How tall?", "answer": ["21.5"], "answer_eval": [number]},
    ]
    path = write_lines(tmp_path / "infoseek_val.jsonl", rows)
    kb = write_lines(
        tmp_path / "infoseek_val_withkb.jsonl", [{"data_id": "v1", "entity_id": "Q29", "entity_text": "Spain"}]
    )
    (tmp_path / "04").mkdir()
    (tmp_path / "04" / "oven_04925844.jpg").write_bytes(b"x")
    one, two = questions(benchmark="infoseek", questions=path, annotations=kb, split="val", images=str(tmp_path))
    assert (list(one.answers), one.targets) == (["Spain", "ESP"], ("Q29",))
    assert (list(two.answers), two.targets) == (["21.5"], ())
    assert one.query.image == str(tmp_path / "04" / "oven_04925844.jpg")


def test_m2kr(tmp_path):
    import datasets

    (tmp_path / "EVQA_data").mkdir()
    (tmp_path / "EVQA_passages").mkdir()
    row = {
        "question_id": "EVQA_1", "question": "How big?", "img_path": "inat/1.jpg", "pos_item_ids": ["W1", "W1"],
        "answers": ["20 cm", "8 in"], "gold_answer": "20 cm", "pos_item_contents": ["x", "x"],
    }  # fmt: skip
    datasets.Dataset.from_list([row]).to_parquet(tmp_path / "EVQA_data" / "test-00000-of-00001.parquet")
    texts = datasets.Dataset.from_list([{"passage_id": "W1", "passage_content": "a  dwarf cornel", "language": "en"}])
    texts.to_parquet(tmp_path / "EVQA_passages" / "test_passages-00000-of-00001.parquet")
    (one,) = questions(benchmark="e-vqa", questions=str(tmp_path / "EVQA_data"))
    assert (list(one.answers), one.targets) == (["20 cm", "8 in"], ("W1",))
    assert passages("e-vqa", str(tmp_path / "EVQA_passages")) == [Document("W1", text="a dwarf cornel")]
    with pytest.raises(DataError, match=r"no file valid-\*.parquet; there are test"):
        questions(benchmark="e-vqa", questions=str(tmp_path / "EVQA_data"), split="valid")
    broken = tmp_path / "broken.parquet"
    broken.write_bytes(b"PAR1 no more")
    with pytest.raises(DataError, match=r"broken.parquet: cannot be read as Parquet"):
        passages("e-vqa", str(broken))


def test_corpora(tmp_path):
    google = tmp_path / "okvqa_train_corpus.csv"
    google.write_text('kid,text\ngoogle:0,"a, b\nc"\n1,"say ""hi"""\n', encoding="utf-8")
    assert passages("okvqa-gs112k", str(google)) == [Document("0", text="a, b c"), Document("1", text='say "hi"')]
    hundreds = tmp_path / "psgs_w100.tsv.gz"
    hundreds.write_bytes(gzip.compress(b'id\ttext\ttitle\n1\t"Aaron is ""a"" prophet"\tAaron\n'))
    assert passages("okvqa-wk21m", str(hundreds)) == [Document("1", text='Aaron Aaron is "a" prophet')]
    blocks = write_lines(tmp_path / "all_blocks.txt", [{"id": "w@1", "text": "x", "title": "t"}])
    assert passages("okvqa-wk11m", blocks) == [Document("w@1", text="x")]
    article = {"wikidata_id": "Q1", "wikipedia_title": "T", "wikipedia_summary": "s", "wikipedia_content": None}
    wiki = write_lines(tmp_path / "Wiki6M.jsonl", [article, article | {"wikidata_id": "Q2", "wikipedia_content": "c"}])
    assert [one.text for one in passages("infoseek", wiki)] == ["title: T content: s", "title: T content: c"]


def test_corpora_are_streams(tmp_path):
    path = tmp_path / "corpus.csv"
    path.write_text("kid,text\n1,one\n2\n", encoding="utf-8")
    stream = read_passages(KnowledgeSettings(benchmark="remuq", passages=str(path)))
    assert next(stream) == Document("1", text="one")
    with pytest.raises(DataError, match=r"corpus.csv:3: wrong number of fields"):
        next(stream)


BAD_ROWS = [
    (retriever_row(question_id=None), "malformed entry", r"\[1\]: no text or number in field 'question_id'"),
    (retriever_row(question="  "), "empty text", r"\[1\]: field 'question' is empty"),
    (retriever_row(answers={}), "query without target", r"\[1\]: has no answer"),
    (retriever_row(answers={" ": 1}), "query without target", r"\[1\]: has no answer"),
    (retriever_row(answers={"a": "b"}), "malformed entry", r"\[1\]: answers are neither"),
    (retriever_row(question_id="1"), "duplicate id", "question '1' occurs twice"),
    (retriever_row(img_id=None), "malformed entry", "field 'img_id'"),
    ("text", "malformed entry", "field 'question'"),
]


def test_bytes_that_are_not_utf8_are_noted(tmp_path):
    path = tmp_path / "t.json"
    for row in (retriever_row(question="CAFE"), retriever_row(answers={"CAFE": 1})):
        write_json(path, [retriever_row(question_id="1"), row])
        path.write_bytes(path.read_bytes().replace(b"CAFE", b"caf\xe9"))
        with pytest.raises(DataError, match=r"\[1\]: bytes in .* that are not UTF-8"):
            questions(benchmark="okvqa-gs112k", questions=str(path))


@pytest.mark.parametrize(("row", "reason", "expected"), BAD_ROWS)
def test_bad_questions_fail_clearly_or_are_counted(tmp_path, caplog, row, reason, expected):
    rows = [retriever_row(question_id="1"), row, retriever_row(question_id="2")]
    path = write_json(tmp_path / "t.json", rows)
    with pytest.raises(DataError, match=expected) as caught:
        questions(benchmark="okvqa-gs112k", questions=path)
    assert "t.json" in str(caught.value)
    with caplog.at_level(logging.WARNING):
        kept = questions(benchmark="okvqa-gs112k", questions=path, on_error="skip")
    assert [one.query.query_id for one in kept] == ["1", "2"]
    assert f"skipped 1 entries: {reason}" in caplog.text


def test_pictures_cannot_leave_their_folder(tmp_path):
    (tmp_path / "secret.jpg").write_bytes(b"x")
    (tmp_path / "images").mkdir()
    path = write_json(tmp_path / "t.json", [retriever_row(img_id="../secret")])
    with pytest.raises(DataError, match="lies outside"):
        questions(benchmark="okvqa-gs112k", questions=path, images=str(tmp_path / "images"))


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None, max_examples=60
)
@given(content=st.binary(max_size=80))
def test_any_bytes_in_a_corpus_give_passages_or_a_data_error(tmp_path, content):
    path = tmp_path / "corpus.csv"
    path.write_bytes(b"kid,text\n1,one\n" + content)
    found = passages("okvqa-gs112k", str(path), on_error="skip")
    assert found[0] == Document("1", text="one")
    assert all(document.text and document.doc_id for document in found)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.text("a 1", max_size=3) | st.just(float("nan")),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["id", "wikidata"]), inner),
    max_leaves=4,
)
FIELDS = (
    "question", "question_id", "img_id", "answers", "ctxs", "caption", "data_id", "image_id", "answer", "answer_eval",
    "entity_id", "pos_passage",
)  # fmt: skip


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None, max_examples=100
)
@given(row=st.fixed_dictionaries(dict.fromkeys(FIELDS, VALUES)) | VALUES, name=st.sampled_from(FIELDS), value=VALUES)
def test_any_entry_gives_a_question_or_is_noted(tmp_path, row, name, value):
    rows = [retriever_row(), row, retriever_row(question_id="9") | {name: value}]
    good = {"data_id": "1", "question_id": "1", "image_id": 1, "question": "x", "answer": ["a"], "answers": ["a"]}
    listed = write_json(tmp_path / "t.json", rows)
    lined = write_lines(tmp_path / "t.jsonl", [good, *rows])
    pairs = write_lines(tmp_path / "p.jsonl", [good, row])
    for benchmark, path in (("okvqa-gs112k", listed), ("remuq", listed), ("infoseek", lined), ("okvqa-wk11m", pairs)):
        found = questions(benchmark=benchmark, questions=path, on_error="skip")
        assert found[0].answers
        assert all(isinstance(answer, str) and answer.strip() for one in found for answer in one.answers)


def test_files_that_cannot_be_used(tmp_path):
    for benchmark in PUBLISHED:
        with pytest.raises(ConfigError, match=f"no path is set; name the corpus of {benchmark}"):
            read_passages(KnowledgeSettings(benchmark=benchmark))
        with pytest.raises(ConfigError, match="no path is set"):
            questions(benchmark=benchmark)
    with pytest.raises(DataError, match="cannot be read"):
        passages("okvqa-gs112k", str(tmp_path / "gone.csv"))
    empty = tmp_path / "empty.csv"
    empty.write_text("kid,text\n")
    with pytest.raises(DataError, match="no usable passage"):
        passages("remuq", str(empty))
    empty.write_text("id,text\n1,x\n")
    with pytest.raises(DataError, match=r"empty.csv:1: no column 'kid' \(did you mean 'id'\?\); there are id, text"):
        passages("remuq", str(empty))
    cut = tmp_path / "psgs_w100.tsv.gz"
    cut.write_bytes(gzip.compress(b"id\ttext\ttitle\n1\tx\ty\n" * 99)[:-12])
    with pytest.raises(DataError, match=r"psgs_w100.tsv.gz"):
        passages("okvqa-wk21m", str(cut))
    with pytest.raises(DataError, match="no usable question"):
        questions(benchmark="okvqa-gs112k", questions=write_json(tmp_path / "none.json", []))
    with pytest.raises(ConfigError, match="ReMuQ keeps its pictures"):
        KnowledgeSettings(benchmark="remuq", images="x")


def test_counts_are_held_against_the_papers(tmp_path, caplog):
    path = write_json(tmp_path / "t.json", [retriever_row()])
    expected = "t.json: expected 5,046 entries for okvqa-gs112k test, found 1"
    with caplog.at_level(logging.WARNING):
        questions(benchmark="okvqa-gs112k", questions=path, counts="warn")
    assert expected in caplog.text
    with pytest.raises(DataError, match=f"{expected}; fetch the file again, or set counts: ignore"):
        questions(benchmark="okvqa-gs112k", questions=path, counts="fail")
    corpus = tmp_path / "corpus.csv"
    corpus.write_text("kid,text\n1,x\n")
    with pytest.raises(DataError, match="expected 195,837 or 195,387 entries for remuq passages, found 1"):
        passages("remuq", str(corpus), counts="fail")


def test_rounded_counts_have_a_tolerance():
    check_count("okvqa-wk11m", PASSAGES, 11_377_000, "x", "fail")
    with pytest.raises(DataError, match="about 11,000,000"):
        check_count("okvqa-wk11m", PASSAGES, 12_000_000, "x", "fail")
    check_count("okvqa-gs112k", "a split of one's own", 3, "x", "fail")
    assert not Size(10).admits(11)


def test_limit_takes_questions_by_seed_after_counting(tmp_path):
    path = write_json(tmp_path / "t.json", [retriever_row(question_id=str(number)) for number in range(20)])
    first = questions(benchmark="okvqa-gs112k", questions=path, limit=5, seed=1)
    assert len(first) == 5
    assert first == questions(benchmark="okvqa-gs112k", questions=path, limit=5, seed=1)
    assert first != questions(benchmark="okvqa-gs112k", questions=path, limit=5, seed=2)
    with pytest.raises(DataError, match="found 20"):
        questions(benchmark="okvqa-gs112k", questions=path, limit=5, counts="fail")
    with pytest.raises(ConfigError, match="limit"):
        KnowledgeSettings(benchmark="remuq", limit=0)


WIT_COLUMNS = (
    "language", "page_url", "image_url", "page_title", "section_title", "hierarchical_section_title",
    "caption_reference_description", "caption_attribution_description", "caption_alt_text_description", "mime_type",
    "original_height", "original_width", "is_main_image", "attribution_passes_lang_id", "page_changed_recently",
    "context_page_description", "context_section_description",
)  # fmt: skip


def wit_shard(path: Path, *rows: dict[str, str]) -> None:
    lines = ["\t".join(WIT_COLUMNS), *("\t".join(row.get(column, "") for column in WIT_COLUMNS) for row in rows)]
    path.write_bytes(gzip.compress(("\n".join(lines) + "\n").encode()))


def test_wit_streams_one_language_of_all_shards(tmp_path, caplog):
    english = {"language": "en", "page_title": "Kiwi", "image_url": "u", "caption_reference_description": "a bird"}
    for number in range(10):
        wit_shard(tmp_path / f"wit_v1.train.all-0000{number}-of-00010.tsv.gz", english, {"language": "de"})
    with caplog.at_level(logging.WARNING):
        entries = list(read_wit(tmp_path, Problems("fail")))
    assert entries == [WitEntry("en", "Kiwi", "u", "a bird", "")] * 10
    assert "expected about 37,600,000 rows in 10 shards, found 20" in caplog.text
    one = tmp_path / "wit_v1.train.all-00000-of-00010.tsv.gz"
    assert [entry.language for entry in read_wit(one, Problems("fail"), language="de")] == ["de"]
    with pytest.raises(DataError, match=r"no \*.tsv"):
        list(read_wit(tmp_path / "elsewhere", Problems("fail")))


@pytest.mark.skipif(not OKVQA_TRAIN.is_file(), reason="needs ../shared/data")
def test_the_real_training_questions():
    found = questions(benchmark="okvqa-wk21m", questions=str(OKVQA_TRAIN), split="train", counts="fail")
    assert len(found) == 9_009
    assert sum(len(one.answers) for one in found) == 27_524
