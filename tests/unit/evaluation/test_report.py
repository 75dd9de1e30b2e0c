import base64
import io
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from raqo.errors import RunFolderError
from raqo.evaluation.compare import EvaluationRow
from raqo.evaluation.deltas import QueryDelta
from raqo.evaluation.examples import Example, ExampleGroup, Outcome
from raqo.evaluation.highlight import mark_changes, mark_phrases
from raqo.evaluation.pictures import thumbnail
from raqo.evaluation.plain import flatten, plain
from raqo.evaluation.report import ReportInputs, write_report
from raqo.records import Direction, Document, Verdict

EVIL = '<script>alert(1)</script>" onload=x <img src=//e.x/y> $\\frac{x$ -->'


def row(name, recall, **changes):
    metrics = {"recall@1": recall, "recall@5": recall, "recall@10": recall, "mrr": recall, "ndcg@10": recall}
    fields = {"direction": Direction.T2I, "split": "test", "n": 200, "metrics": metrics, "helped": 90, "harmed": 3}
    return EvaluationRow(**{"name": name, **fields, "unchanged": 107, "p_value": 0.001, "p_holm": 0.002, **changes})


@pytest.fixture
def inputs(tmp_path):
    Image.new("RGB", (400, 300), "red").save(tmp_path / "red.png")
    (tmp_path / "torn.png").write_bytes((tmp_path / "red.png").read_bytes()[:60])
    target = Document("img<1>", image=str(tmp_path / "red.png"))
    others = (Document("torn", image=str(tmp_path / "torn.png")), Document("gone", image="nowhere.png"))
    passage = Document("text", text=EVIL)
    delta = QueryDelta("q", f"crimson {EVIL}", f"red {EVIL}", ("crimson",), None, 1, "rewritten")
    example = Example(delta, (target,), (*others, passage), (target,))
    groups = (ExampleGroup("test", Outcome.HELPED, 90, (example,)), ExampleGroup("test", Outcome.HARMED, 0, ()))
    rows = (row("raw", 0.42, p_holm=1.0), row("oracle", 0.92), row(EVIL, 0.87, gap_recovered=0.9, lost=24))
    return ReportInputs(
        main=EVIL,
        rows=rows,
        timing={"mine_s": 41.0, "total_s": 240.5},
        reused=("mine_s",),
        peak_rss_mb=2048.0,
        manifest={"retriever": {"fingerprint": EVIL}, "seed": np.int64(3), "path": tmp_path, "loss": float("nan")},
        losses={EVIL: [(0, 2.0), (1, float("inf")), (2, 1.0)], "empty": []},
        examples=groups,
    )


class Tags(HTMLParser):
    """Collects tags, attributes and text of a page."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.attributes, self.open, self.text = [], [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, *attr) for attr in attrs]

    def handle_data(self, data):
        self.text.append(data)


def test_json_has_the_promised_form(inputs, tmp_path):
    path, _ = write_report(tmp_path, inputs)
    report = json.loads(path.read_text())
    assert [one["name"] for one in report["rows"]] == ["raw", "oracle", EVIL]
    assert report["timing"] == {"mine_s": 41.0, "train_s": 0.0, "evaluate_s": 0.0, "total_s": 240.5}
    assert report["peak_rss_mb"] == 2048.0
    assert report["manifest"]["seed"] == 3
    assert report["manifest"]["loss"] is None


def test_untrusted_text_stays_text_and_nothing_is_loaded(inputs, tmp_path):
    _, path = write_report(tmp_path, inputs)
    page = Tags(path.read_text())
    assert "script" not in page.tags
    assert not [attr for attr in page.attributes if attr[1].startswith("on")]
    links = [value for _, name, value in page.attributes if name in ("src", "href", "xlink:href", "data", "action")]
    assert links
    assert all(link.startswith(("data:image/webp", "#")) for link in links)
    assert "".join(page.text).count("<script>alert(1)</script>") >= 5  # shown as text


def test_page_says_what_matters(inputs, tmp_path):
    _, path = write_report(tmp_path, inputs)
    text = re.sub(r"\s+", " ", "".join(Tags(path.read_text()).text))
    assert "90.0% of the recall@1 gap recovered" in text
    assert "harmed 3 (1.5%)" in text
    assert "lost from the first 10 24 (12.0%)" in text
    assert "mining 41 s (reused) · in all 240 s" in text
    assert "Harmed · test · 0 of 0" in text
    assert "before · not found" in text
    assert text.count("no picture") == 2  # a torn file and a missing one
    assert "peak memory 2.00 GB" in text


def test_same_inputs_same_bytes(inputs, tmp_path):
    first = [path.read_bytes() for path in write_report(tmp_path, inputs)]
    assert first == [path.read_bytes() for path in write_report(tmp_path, inputs)]


def test_a_report_without_plots_oracle_or_examples(tmp_path):
    bare = ReportInputs(main="x", rows=(row("raw", 0.5), row("x", 0.4)), timing={}, peak_rss_mb=0.0, manifest={})
    _, path = write_report(tmp_path, bare)
    assert "-10.0 points of recall@1" in "".join(Tags(path.read_text()).text)
    write_report(tmp_path, ReportInputs(main="x", rows=(), timing={}, peak_rss_mb=0.0, manifest={}))


def test_an_unwritable_folder_is_one_clear_error(inputs, tmp_path):
    with pytest.raises(RunFolderError, match="cannot be written"):
        write_report(tmp_path / "red.png" / "report", inputs)


def test_thumbnails_are_small(inputs, tmp_path):
    url = thumbnail(str(tmp_path / "red.png"), side=100)
    image = Image.open(io.BytesIO(base64.b64decode(url.split(",")[1])))
    assert image.size == (100, 75)
    assert thumbnail(None, side=100) is None


def test_marks_golden():
    assert mark_phrases("A Crimson boat, crimsons", ["crimson", "boat"]) == [
        ("A ", False),
        ("Crimson", True),
        (" ", False),
        ("boat", True),
        (", crimsons", False),
    ]
    assert [s.text for s in mark_phrases("a fir  tree", ["fir", "fir tree"]) if s.marked] == ["fir  tree"]
    marked = [s.text for s in mark_changes("A crimson boat.", "A shiny red boat at sea.") if s.marked]
    assert marked == ["shiny red", "at sea"]


@given(st.text(max_size=30), st.lists(st.text(max_size=5), max_size=3), st.text(max_size=30))
def test_segments_join_to_the_text(text, phrases, other):
    assert "".join(segment.text for segment in mark_phrases(text, phrases)) == text
    assert "".join(segment.text for segment in mark_changes(other, text)) == text


def test_plain_values():
    value = {"verdict": Verdict.AMBIGUOUS, "pair": (1, np.float32(0.5)), "nested": {"x": [float("nan")]}}
    assert plain(value) == {"verdict": "ambiguous", "pair": [1, 0.5], "nested": {"x": [None]}}
    assert flatten(plain(value)) == [("verdict", "ambiguous"), ("pair", "1, 0.5"), ("nested.x", "null")]


def test_a_report_on_texts_with_other_cut_offs_says_only_what_was_measured(tmp_path):
    metrics = {"recall@5": 0.5, "recall@10": 0.75, "mrr": 0.25, "ndcg@10": 0.5}
    rows = (row("raw", 0.4, metrics=metrics), row("mine", 0.5, metrics=metrics))
    inputs = ReportInputs(
        main="mine", rows=rows, timing={"evaluate_s": 3.4}, peak_rss_mb=512.0, manifest={}, texts=True
    )
    page = write_report(tmp_path, inputs)[1].read_text()
    assert "text → text" in page
    assert "text → image" not in page
    assert "evaluation 3 s · peak memory 0.50 GB" in page
    assert "mining" not in page
    assert "points of recall@5" in page
    assert "lose a target among the first 5 against raw" in page
    assert "at rank 1" not in page
    assert json.loads((tmp_path / "report.json").read_text())["timing"]["evaluate_s"] == 3.4
