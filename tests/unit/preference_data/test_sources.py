import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from raqo.errors import ConfigError, DataError
from raqo.preference_data.sources import LoadReport, SourceSettings, i2t_view, load_dataset, load_with_report
from raqo.records import RetrievalDataset

COCO_PHOTOS = Path(__file__).parents[4] / "shared" / "data" / "coco_photos" / "captions_train2017_mini.json"


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"not decoded here")


def csv_of(folder: Path, *rows: str, encoding: str = "utf-8", header: str = "image,caption") -> Path:
    path = folder / "pairs.csv"
    path.write_bytes("".join(f"{row}\n" for row in (header, *rows)).encode(encoding))
    return path


def skip(path: Path, **options: Any) -> tuple[RetrievalDataset, LoadReport]:
    return load_with_report(SourceSettings(path=str(path), on_error="skip", **options))


def texts(dataset: RetrievalDataset) -> list[str]:
    return [query.text for query in dataset.queries]


def test_csv_groups_captions_by_image(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", "b.jpg")
    path = csv_of(tmp_path, 'a.jpg,"a dog, running"', "b.jpg,a cat", "a.jpg,  ein   süßer Hund ", encoding="utf-8-sig")
    dataset = load_dataset(SourceSettings(path=str(path)))
    assert [(d.doc_id, d.image) for d in dataset.documents] == [
        ("a.jpg", str(tmp_path / "a.jpg")),
        ("b.jpg", str(tmp_path / "b.jpg")),
    ]
    assert {q.query_id: q.text for q in dataset.queries} == {
        "a.jpg#0": "a dog, running",
        "a.jpg#1": "ein süßer Hund",
        "b.jpg#0": "a cat",
    }
    assert dataset.targets == {"a.jpg#0": ("a.jpg",), "a.jpg#1": ("a.jpg",), "b.jpg#0": ("b.jpg",)}
    assert (dataset.name, dataset.split) == ("pairs", "train")


def test_csv_finds_images_beside_in_images_and_where_told(tmp_path: Path) -> None:
    touch(tmp_path, "images/a.jpg", "else/where/a.jpg")
    path = csv_of(tmp_path, "a.jpg,x")
    assert load_dataset(SourceSettings(path=str(path))).documents[0].image == str(tmp_path / "images" / "a.jpg")
    told = SourceSettings(path=str(path), images=str(tmp_path / "else" / "where"))
    assert load_dataset(told).documents[0].image == str(tmp_path / "else" / "where" / "a.jpg")
    with pytest.raises(DataError, match="image folder does not exist"):
        load_dataset(SourceSettings(path=str(path), images=str(tmp_path / "nowhere")))


def test_csv_columns_and_tabs(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg")
    path = csv_of(tmp_path, "1\ta, b\ta.jpg", header="id\ttext\tfile").rename(tmp_path / "pairs.tsv")
    dataset = load_dataset(SourceSettings(path=str(path), image_column="file", caption_column="text"))
    assert texts(dataset) == ["a, b"]
    with pytest.raises(DataError, match=r"pairs.tsv:1: no column 'caption'; there are id, text, file"):
        load_dataset(SourceSettings(path=str(path), image_column="file"))


BAD_ROWS = [
    (b"gone.jpg,x", "missing image", r"pairs.csv:3: image .*gone.jpg does not exist"),
    (b"../secret.jpg,x", "image outside the image folder", r"pairs.csv:3: image '../secret.jpg' lies outside"),
    (b"/etc/passwd,x", "image outside the image folder", r"pairs.csv:3: image '/etc/passwd' lies outside"),
    (b"sub/../../secret.jpg,x", "image outside the image folder", "lies outside"),
    (b"a.jpg,  ", "empty text", "pairs.csv:3: the caption is empty"),
    (b"a.jpg,caf\xe9", "not UTF-8", "pairs.csv:3: bytes that are not UTF-8"),
    (b"a.jpg,one", "duplicate id", "pairs.csv:3: 'a.jpg' has this caption already"),
    (b"a.jpg", "malformed entry", "pairs.csv:3: wrong number of fields"),
    (b"a.jpg,b,c", "malformed entry", "pairs.csv:3: wrong number of fields"),
    (b'a.jpg,"b"c', "malformed entry", "pairs.csv:3: not valid CSV"),
    (b",x", "malformed entry", "pairs.csv:3: '' is no image path"),
    (b"a\0.jpg,x", "malformed entry", "is no image path"),
]


@pytest.mark.parametrize(("row", "reason", "expected"), BAD_ROWS)
def test_csv_bad_rows_fail_clearly_or_are_counted(tmp_path: Path, row: bytes, reason: str, expected: str) -> None:
    touch(tmp_path, "data/a.jpg", "secret.jpg")
    path = tmp_path / "data" / "pairs.csv"
    path.write_bytes(b"image,caption\na.jpg,one\n" + row + b"\na.jpg,two\n")
    with pytest.raises(DataError, match=expected) as caught:
        load_dataset(SourceSettings(path=str(path)))
    assert "set on_error: skip" in str(caught.value)
    dataset, report = skip(path)
    assert texts(dataset) == ["one", "two"]
    assert report.skipped == {reason: 1}
    assert len(report.examples[reason]) == 1


def test_links_the_user_made_may_leave_the_folder(tmp_path: Path) -> None:
    touch(tmp_path, "store/x.jpg")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.jpg").symlink_to(tmp_path / "store" / "x.jpg")
    assert len(load_dataset(SourceSettings(path=str(csv_of(tmp_path / "data", "a.jpg,x")))).documents) == 1


def test_an_absolute_path_inside_the_folder_is_fine(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg")
    assert len(load_dataset(SourceSettings(path=str(csv_of(tmp_path, f"{tmp_path}/a.jpg,x")))).documents) == 1


def test_an_unclosed_quote_does_not_swallow_the_table_silently(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg")
    path = csv_of(tmp_path, "a.jpg,one", 'a.jpg,"two', "a.jpg,three")
    with pytest.raises(DataError, match="not valid CSV"):
        load_dataset(SourceSettings(path=str(path)))
    dataset, report = skip(path)
    assert texts(dataset) == ["one"]
    assert report.skipped == {"malformed entry": 1}


def test_nothing_usable_is_an_error_even_when_skipping(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no usable caption"):
        skip(csv_of(tmp_path, "gone.jpg,x"))


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None, max_examples=60
)
@given(content=st.binary(max_size=120))
def test_any_bytes_in_a_csv_give_data_or_a_data_error(tmp_path: Path, content: bytes) -> None:
    touch(tmp_path, "a.jpg")
    path = tmp_path / "pairs.csv"
    path.write_bytes(b"image,caption\na.jpg,one\n" + content)
    dataset, report = skip(path)
    assert texts(dataset)[0] == "one"
    assert report.queries == len(dataset.queries)


def test_limit_takes_whole_images_by_seed(tmp_path: Path) -> None:
    names = [f"{i:02}.jpg" for i in range(20)]
    touch(tmp_path, *names)
    path = str(csv_of(tmp_path, *(f"{name},{word}" for word in ("one", "two") for name in names)))
    first = load_dataset(SourceSettings(path=path, limit=5, seed=1))
    assert first == load_dataset(SourceSettings(path=path, limit=5, seed=1))
    assert first != load_dataset(SourceSettings(path=path, limit=5, seed=2))
    ids = [document.doc_id for document in first.documents]
    assert len(ids) == 5
    assert ids == sorted(ids)
    assert len(first.queries) == 10
    with pytest.raises(ConfigError, match="at least 1"):
        SourceSettings(path=path, limit=0)


def test_i2t_view_turns_a_data_set_round(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", "b.jpg")
    view = i2t_view(load_dataset(SourceSettings(path=str(csv_of(tmp_path, "a.jpg,x", "b.jpg,y", "a.jpg,z")))))
    assert [(d.doc_id, d.text) for d in view.documents] == [("a.jpg#0", "x"), ("a.jpg#1", "z"), ("b.jpg#0", "y")]
    assert [(q.query_id, q.image, q.text) for q in view.queries] == [
        ("a.jpg", str(tmp_path / "a.jpg"), ""),
        ("b.jpg", str(tmp_path / "b.jpg"), ""),
    ]
    assert view.targets == {"a.jpg": ("a.jpg#0", "a.jpg#1"), "b.jpg": ("b.jpg#0",)}


def karpathy(folder: Path, *images: Any) -> Path:
    path = folder / "dataset_flickr30k.json"
    path.write_text(json.dumps({"dataset": "flickr30k", "images": list(images)}))
    return path


def photo(name: str, split: str, *captions: Any, **more: Any) -> dict[str, Any]:
    return {"filename": name, "split": split, "sentences": [{"raw": text} for text in captions], **more}


def test_karpathy_splits_and_first_five(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", "b.jpg", "c.jpg")
    path = karpathy(
        tmp_path,
        photo("a.jpg", "train", *"123456"),
        photo("b.jpg", "restval", "b"),
        photo("c.jpg", "test", "c"),
    )
    train = load_dataset(SourceSettings(path=str(path)))
    assert texts(train) == ["1", "2", "3", "4", "5", "b"]
    assert texts(load_dataset(SourceSettings(path=str(path), captions_per_image=None))) == [*"123456", "b"]
    assert texts(load_dataset(SourceSettings(path=str(path), split="test"))) == ["c"]
    with pytest.raises(DataError, match="split 'val'"):
        load_dataset(SourceSettings(path=str(path), split="val"))


def test_karpathy_coco_has_folders(tmp_path: Path) -> None:
    touch(tmp_path, "images/val2014/a.jpg")
    path = karpathy(tmp_path, photo("a.jpg", "test", "x", filepath="val2014"))
    dataset = load_dataset(SourceSettings(path=str(path), split="test"))
    assert dataset.documents[0].doc_id == "val2014/a.jpg"
    assert dataset.documents[0].image == str(tmp_path / "images" / "val2014" / "a.jpg")


def test_karpathy_bad_entries(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg")
    bad = [photo("a.jpg", "train", "again"), photo("no.jpg", "train", "x"), 7, photo("../a.jpg", "train", "x")]
    path = karpathy(tmp_path, photo("a.jpg", "train", "x", "", 3), *bad)
    dataset, report = skip(path)
    assert texts(dataset) == ["x"]
    assert report.skipped == {
        "empty text": 1,
        "malformed entry": 2,
        "duplicate id": 1,
        "missing image": 1,
        "image outside the image folder": 1,
    }


def coco(folder: Path, images: list[Any], annotations: list[Any]) -> Path:
    path = folder / "annotations" / "captions_val2017.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"info": {}, "images": images, "annotations": annotations}))
    return path


def test_coco_finds_the_usual_folders_and_reports_what_is_wrong(tmp_path: Path) -> None:
    touch(tmp_path, "val2017/a.jpg", "val2017/b.jpg")
    images = [{"id": 1, "file_name": "a.jpg"}, {"id": 2, "file_name": "b.jpg"}]
    notes = [{"id": i, "image_id": 1, "caption": f"c{i}"} for i in range(2)]
    path = coco(tmp_path, images, notes)
    dataset = load_dataset(SourceSettings(path=str(path)))
    assert texts(dataset) == ["c0", "c1"]
    assert len(dataset.documents) == 2, "an image without caption stays in the gallery"
    wrong = [notes[0], {"id": 9, "image_id": 77, "caption": "x"}, {"id": 10, "image_id": 2, "caption": None}, {"id": 3}]
    broken = [images[0], {"id": 3, "file_name": "gone.jpg"}, {"id": [4], "file_name": "a.jpg"}]
    dataset, report = skip(coco(tmp_path, [*images, *broken], [*notes, *wrong]))
    assert texts(dataset) == ["c0", "c1"]
    assert report.skipped == {
        "duplicate id": 2,
        "missing image": 1,
        "malformed entry": 3,
        "query without target": 1,
    }


def test_broken_json_names_the_place(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text('{"annotations": [],\n "images": [}')
    with pytest.raises(DataError, match=r"x.json:2:13: not valid JSON"):
        load_dataset(SourceSettings(path=str(path)))


@pytest.mark.skipif(not COCO_PHOTOS.is_file(), reason="the photos are not at hand")
def test_real_coco_photos() -> None:
    dataset, report = load_with_report(SourceSettings(path=str(COCO_PHOTOS)))
    assert (report.documents, report.queries, report.skipped) == (80, 400, {})
    assert all(Path(str(document.image)).is_file() for document in dataset.documents)
    assert set(map(len, i2t_view(dataset).targets.values())) == {5}


def beir(folder: Path, corpus: list[Any], queries: list[Any], qrels: str) -> Path:
    (folder / "qrels").mkdir()
    for name, rows in (("corpus", corpus), ("queries", queries)):
        lines = [row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows]
        (folder / f"{name}.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n" + qrels)
    return folder


CORPUS = [{"_id": "d1", "title": "Boat", "text": "floats"}, {"_id": "d2", "title": "", "text": "dog"}]
QUERIES = [{"_id": "q1", "text": "a boat"}, {"_id": "q2", "text": "a dog"}]


def test_beir_reads_texts_and_judgements(tmp_path: Path) -> None:
    path = beir(
        tmp_path, CORPUS, [*QUERIES, {"_id": "q3", "text": "x"}], "q1\td1\t2\nq1\td2\t0\nq2\td2\t1\nq2\td1\t1\n"
    )
    (path / "qrels" / "train.tsv").write_text("query-id\tcorpus-id\tscore\nq3\td1\t1\n")
    dataset = load_dataset(SourceSettings(path=str(path), split="test"))
    assert [(d.doc_id, d.text) for d in dataset.documents] == [("d1", "Boat floats"), ("d2", "dog")]
    assert dataset.targets == {"q1": ("d1",), "q2": ("d2", "d1")}
    with pytest.raises(DataError, match=r"dev.tsv: does not exist.*there are test, train"):
        load_dataset(SourceSettings(path=str(path), split="dev"))
    limited = load_dataset(SourceSettings(path=str(path), split="test", limit=1))
    assert (len(limited.queries), len(limited.documents)) == (1, 2)


BAD_BEIR = [
    ([b"{"], [], "", "malformed entry", r"corpus.jsonl:3: not valid JSON"),
    ([b"\xff"], [], "", "not UTF-8", r"corpus.jsonl:3: bytes"),
    ([[1]], [], "", "malformed entry", r"corpus.jsonl:3: expected an object, got list"),
    ([{"text": "x"}], [], "", "malformed entry", r"corpus.jsonl:3: expected _id and text"),
    ([CORPUS[0]], [], "", "duplicate id", r"corpus.jsonl:3: _id 'd1' occurs twice"),
    ([], [{"_id": "q3", "text": " "}], "", "empty text", r"queries.jsonl:3: the text of 'q3' is empty"),
    ([], [{"_id": "q3", "text": "x"}], "", "query without target", r"queries.jsonl: q3: no document"),
    ([], [{"_id": "q3", "text": "x"}], "q3\td1\t0\n", "query without target", r"queries.jsonl: q3: no document"),
    ([], [], "q1\td9\t1\n", "query without target", r"test.tsv:4: document 'd9' is not in corpus.jsonl"),
    ([], [], "q9\td1\t1\n", "malformed entry", r"test.tsv:4: query 'q9' is not in queries.jsonl"),
    ([], [], "q1\td1\n", "malformed entry", r"test.tsv:4: expected query, document and score"),
    ([], [], "q1\td1\t1\n", "duplicate id", r"test.tsv:4: 'q1' and 'd1' are judged twice"),
]


@pytest.mark.parametrize(("corpus", "queries", "qrels", "reason", "expected"), BAD_BEIR)
def test_beir_bad_lines(
    tmp_path: Path, corpus: list[Any], queries: list[Any], qrels: str, reason: str, expected: str
) -> None:
    path = beir(tmp_path, CORPUS + corpus, QUERIES + queries, "q1\td1\t1\nq2\td2\t1\n" + qrels)
    with pytest.raises(DataError, match=expected):
        load_dataset(SourceSettings(path=str(path), split="test"))
    dataset, report = skip(path, split="test")
    assert dataset.targets == {"q1": ("d1",), "q2": ("d2",)}
    assert report.skipped == {reason: 1}


def test_paths_that_say_nothing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        load_dataset(SourceSettings(path=str(tmp_path / "none.csv")))
    with pytest.raises(DataError, match="format not recognised"):
        load_dataset(SourceSettings(path=str(tmp_path)))
    (tmp_path / "x.json").write_text('{"a": 1}')
    with pytest.raises(DataError, match="format not recognised"):
        load_dataset(SourceSettings(path=str(tmp_path / "x.json")))
    with pytest.raises(DataError, match="no lists 'images' and 'annotations'"):
        load_dataset(SourceSettings(path=str(tmp_path / "x.json"), format="coco"))
