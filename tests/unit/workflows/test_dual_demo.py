from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from PIL import Image

from raqo.errors import ConfigError
from raqo.evaluation.pseudo_relevance import PseudoRelevance
from raqo.preference_data.vl_ict import ClozeTriplet
from raqo.records import Document, KnowledgeDataset, Query, Question
from raqo.retrievers.build import build_retriever
from raqo.retrievers.dual.folder import load_dual, read_record
from raqo.retrievers.settings import RetrieverSettings
from raqo.training.dual.settings import DualRunSettings, DualSettings, DualShape
from raqo.workflows.knowledge.dual import BASELINE, compare, run_dual, train_dual, with_targets
from raqo.workflows.knowledge.run import knowledge_config

SHAPE = DualShape(hidden=16, layers=1, heads=2, image_size=16, patch_size=8, vocabulary=100)
SHORT = DualRunSettings(max_steps=2, batch_size=8, save_steps=0)
DOCUMENTS = tuple(Document(f"p{row:02}", text=f"passage {row} of a page on boats") for row in range(80))


@pytest.fixture
def task(tmp_path: Path) -> KnowledgeDataset:
    Image.new("RGB", (16, 16), (200, 0, 0)).save(tmp_path / "red.png")
    questions = tuple(
        Question(
            Query(f"q{row}", "what boats?", str(tmp_path / "red.png")),
            {f"passage {row} ": 1.0},
            targets=(f"p{row:02}",),
        )
        for row in range(12)
    )
    return KnowledgeDataset("toy", "train", DOCUMENTS, questions)


def test_each_run_starts_from_the_one_before_and_is_taken_the_second_time(
    task: KnowledgeDataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = DualSettings(shape=SHAPE, pretrain=SHORT, train=SHORT)
    bm25 = build_retriever(RetrieverSettings(kind="bm25"), DOCUMENTS, index_dir=tmp_path)
    image = task.questions[0].query.image or ""
    pages = [ClozeTriplet(image, f"the _ of page {row}", f"a boat of page {row}") for row in range(8)]

    def train() -> list[Path]:
        train_dual(task, settings, tmp_path / "models", retriever=bm25, pages=pages)
        return [tmp_path / "models" / name for name in ("dual-start", "dual-pretrained", "dual")]

    folders = train()
    assert "hard negatives for 12 of 12 questions" in capsys.readouterr().err
    for before, after in pairwise(folders):
        assert read_record(after)["made_from"]["inputs"]["start"] == load_dual(before).weights
    made = [(folder / "dual.json").stat().st_mtime_ns for folder in folders[1:]]
    assert [(folder / "dual.json").stat().st_mtime_ns for folder in train()[1:]] == made


def test_questions_without_a_named_passage_learn_from_found_ones_that_hold_an_answer(
    task: KnowledgeDataset, tmp_path: Path
) -> None:
    bm25 = build_retriever(RetrieverSettings(kind="bm25"), DOCUMENTS, index_dir=tmp_path)
    first, second, third = task.questions[:3]
    asked = (
        replace(first, targets=(), answers={"passage 7 ": 1.0}),
        second,
        replace(third, targets=(), answers={"nowhere": 1.0}),
    )
    found = with_targets(replace(task, questions=asked), bm25, PseudoRelevance())
    assert [one.targets for one in found.questions] == [("p07",), second.targets, ()]


def test_systems_are_compared_with_the_first(task: KnowledgeDataset, tmp_path: Path) -> None:
    bm25 = build_retriever(RetrieverSettings(kind="bm25"), DOCUMENTS, index_dir=tmp_path)
    told = [Query(one.query.query_id, next(iter(one.answers))) for one in task.questions]
    blind = [Query(one.query.query_id, "") for one in task.questions]
    table, rows = compare(
        task, {"nothing": bm25.search(blind, k=5), "answers": bm25.search(told, k=5)}, PseudoRelevance()
    )
    assert [(row["name"], row["hit"], row["helped"], row["harmed"]) for row in rows] == [
        ("nothing", 0.0, 0, 0),
        ("answers", 1.0, 12, 0),
    ]
    assert "answers" in table


QUICK = ("dual.train.max_steps=3", "dual.train.save_steps=0", "knowledge.train.limit=40", "knowledge.evaluate.limit=20")


def test_both_runs_on_the_sample_end_in_a_table_and_a_model_that_is_a_retriever(tmp_path: Path) -> None:
    pretrain = ("dual.pretrain={max_steps: 2, save_steps: 0}", "knowledge.pages={wit: sample, limit: 30}")
    config = knowledge_config(overrides=(f"cache_dir={tmp_path / 'cache'}", *QUICK, *pretrain))
    table, path = run_dual(config, tmp_path / "run")
    report = json.loads(path.read_text(encoding="utf-8"))
    assert [row["name"] for row in report["rows"]] == [BASELINE, "dual encoder", "dual encoder without picture"]
    assert all(name in table for name in ("dual encoder", "20 questions"))
    assert set(report["seconds"]) == {"VL-ICT", "questions"}
    settings = RetrieverSettings(kind="dual", model=report["model"])
    retriever = build_retriever(settings, DOCUMENTS, index_dir=tmp_path / "own")
    assert len(retriever.search([Query("q", "what boats?")], k=3)[0].hits) == 3


def test_without_training_questions_or_pages_the_error_says_what_to_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"knowledge\.train.*name training questions"):
        run_dual(knowledge_config(overrides=("knowledge.train=null",)), tmp_path / "run")
    with pytest.raises(ConfigError, match=r"knowledge\.pages.*dual\.pretrain: null"):
        run_dual(knowledge_config(overrides=(*QUICK, "dual.pretrain={max_steps: 2}")), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_the_demo_beats_bm25_asked_the_bare_question(tmp_path: Path) -> None:
    _, path = run_dual(knowledge_config(overrides=(f"cache_dir={tmp_path / 'cache'}",)), tmp_path / "run")
    rows = {row["name"]: row["hit"] for row in json.loads(path.read_text(encoding="utf-8"))["rows"]}
    assert rows["dual encoder"] > rows[BASELINE]
