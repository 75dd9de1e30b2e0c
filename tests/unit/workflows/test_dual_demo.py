from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from PIL import Image

from raqo.config import load_config
from raqo.errors import ConfigError
from raqo.evaluation.pseudo_relevance import PseudoRelevance
from raqo.preference_data.sources.knowledge_settings import KnowledgeSettings
from raqo.preference_data.vl_ict import ClozeTriplet
from raqo.records import Document, KnowledgeDataset, Query, Question
from raqo.retrievers.build import build_retriever
from raqo.retrievers.dual.folder import load_dual, read_record
from raqo.retrievers.settings import RetrieverSettings
from raqo.training.dual.settings import DualRunSettings, DualSettings, DualShape
from raqo.workflows.knowledge.corpus import Corpus
from raqo.workflows.knowledge.dual import BASELINE, compare, run_dual, train_dual, with_targets
from raqo.workflows.knowledge.passage_file import PassageFile
from raqo.workflows.knowledge.run import knowledge_config
from raqo.workflows.parts import Parts

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


def held(folder: Path) -> Corpus:
    return Corpus(Parts(knowledge_config(overrides=(f"cache_dir={folder}", "retriever={kind: bm25}"))), DOCUMENTS)


def write_passages(path: Path) -> None:
    rows = [{"_id": document.doc_id, "text": document.text} for document in DOCUMENTS]
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")


def test_each_run_starts_from_the_one_before_and_is_taken_the_second_time(
    task: KnowledgeDataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = DualSettings(shape=SHAPE, pretrain=SHORT, train=SHORT)
    image = task.questions[0].query.image or ""
    pages = [ClozeTriplet(image, f"the _ of page {row}", f"a boat of page {row}") for row in range(8)]

    def train() -> list[Path]:
        train_dual(task.questions, settings, tmp_path / "models", corpus=held(tmp_path), pages=pages)
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
    first, second, third = task.questions[:3]
    asked = (
        replace(first, targets=(), answers={"passage 7 ": 1.0}),
        second,
        replace(third, targets=(), answers={"nowhere": 1.0}),
    )
    found = with_targets(asked, held(tmp_path), PseudoRelevance())
    assert [one.targets for one in found] == [("p07",), second.targets, ()]


def test_passages_on_disk_teach_what_those_in_memory_do(task: KnowledgeDataset, tmp_path: Path) -> None:
    write_passages(tmp_path / "corpus.jsonl")
    file = KnowledgeSettings(benchmark="jsonl", passages=str(tmp_path / "corpus.jsonl"))
    in_memory = held(tmp_path)
    on_disk = replace(in_memory, documents=PassageFile(file, in_memory.parts.retriever_settings, tmp_path / "indexes"))
    unnamed = [replace(one, targets=()) for one in task.questions]
    settings = DualSettings(shape=SHAPE, pretrain=None, train=SHORT)
    made = []
    for corpus in (in_memory, on_disk):
        questions = with_targets(unnamed, corpus, PseudoRelevance())
        folder = train_dual(questions, settings, tmp_path / "models", corpus=corpus)
        made.append((questions, (folder / "dual.json").stat().st_mtime_ns))
    assert made[0] == made[1], "the second run has the same inputs, so the first one's model is taken"


CONFIG = """
knowledge:
  train: {{benchmark: jsonl, split: train, questions: {folder}/questions.jsonl}}
  evaluate: {{benchmark: jsonl, questions: {folder}/questions.jsonl, passages: {folder}/corpus.jsonl}}
retriever: {{kind: bm25}}
dual:
  shape: {{hidden: 16, layers: 1, heads: 2, image_size: 16, patch_size: 8, vocabulary: 100}}
  pretrain: null
  train: {{max_steps: 2, batch_size: 8, save_steps: 0}}
cache_dir: {folder}/{cache}
"""


def test_a_run_on_a_corpus_on_disk_reports_as_one_in_memory(
    task: KnowledgeDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_passages(tmp_path / "corpus.jsonl")
    rows = [
        {
            "id": one.query.query_id,
            "question": one.query.text,
            "image": one.query.image,
            "answers": [f"passage {row} "],
        }
        for row, one in enumerate(task.questions)
    ]
    (tmp_path / "questions.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")

    def run(name: str) -> list[dict[str, object]]:
        (tmp_path / "my.yaml").write_text(CONFIG.format(folder=tmp_path, cache=name), encoding="utf-8")
        _, path = run_dual(load_config(tmp_path / "my.yaml"), tmp_path / "runs" / name)
        rows: list[dict[str, object]] = json.loads(path.read_text(encoding="utf-8"))["rows"]
        return rows

    on_disk = run("on-disk")
    assert list((tmp_path / "on-disk" / "indexes").glob("texts-*"))
    monkeypatch.setattr("raqo.workflows.knowledge.passage_file._stores", lambda settings: False)
    in_memory = run("in-memory")
    assert not list((tmp_path / "in-memory" / "indexes").glob("texts-*"))
    # what is trained twice is never equal to the last bit: only the baseline must be
    assert on_disk[0] == in_memory[0]
    assert [row["name"] for row in on_disk] == [row["name"] for row in in_memory]
    assert on_disk[0]["name"] == BASELINE


def test_systems_are_compared_with_the_first(task: KnowledgeDataset, tmp_path: Path) -> None:
    corpus = held(tmp_path)
    told = [Query(one.query.query_id, next(iter(one.answers))) for one in task.questions]
    blind = [Query(one.query.query_id, "") for one in task.questions]
    found = {name: corpus.retriever.search(asked, k=5) for name, asked in (("nothing", blind), ("answers", told))}
    table, rows = compare(task, found, corpus.texts, PseudoRelevance())
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
