from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from dual_toy import COLOURS, QUESTION, TEXTS, colour_rows
from trained_alike import ended_alike

from raqo.errors import ConfigError, DataError
from raqo.preference_data.vl_ict import ClozeTriplet
from raqo.records import Query, Question
from raqo.retrievers.dual.folder import load_dual, read_record
from raqo.training.dual.pipeline import run_dual_training
from raqo.training.dual.rows import DualData, DualRow, cloze_data, question_data
from raqo.training.dual.settings import DualRunSettings
from raqo.training.dual.trainer import DualCollator

LEARNING = DualRunSettings(learning_rate=1e-2, max_steps=60, batch_size=8, save_steps=0)


def test_it_learns_what_only_the_pictures_tell(start: Path, pictures: dict[str, str], tmp_path: Path) -> None:
    folder = run_dual_training(colour_rows(pictures), start=start, folder=tmp_path / "dual", settings=LEARNING)
    loaded = load_dual(folder)
    questions = loaded.inputs.questions([QUESTION] * 4, [pictures[colour] for colour in COLOURS])
    with torch.inference_mode():
        scores = loaded.model.eval()(questions, loaded.inputs.passages([TEXTS[f"p-{colour}"] for colour in COLOURS]))
    assert scores.argmax(dim=1).tolist() == [0, 1, 2, 3]
    record = read_record(folder)["made_from"]
    assert record["inputs"]["start"] == load_dual(start).weights
    assert record["steps"] == 60
    assert record["metrics"]["top1"] == 1.0
    assert not list(tmp_path.glob(".*"))
    readable = folder.stat().st_mode & 0o444
    assert {path.stat().st_mode & 0o444 for path in folder.rglob("*.safetensors")} == {readable}


def test_a_batch_names_each_passage_once_and_no_right_one_is_a_negative(start: Path) -> None:
    rows = [
        DualRow("a", None, "p1", frozenset(("p1", "p2")), "p3"),
        DualRow("a", None, "p2", frozenset(("p1", "p2")), "p3"),
        DualRow("b", None, "p4", frozenset(("p4",)), None),
        DualRow("c", None, "p1", frozenset(("p1",)), "p4"),
    ]
    batch = DualCollator(load_dual(start).inputs, {f"p{number}": f"text {number}" for number in range(1, 5)})(rows)
    assert batch["passages"]["input_ids"].shape[0] == 4  # in the order p1, p2, p4, p3
    assert batch["positives"].tolist() == [0, 1, 2, 0]
    assert batch["negatives"].tolist() == [
        [False, False, True, True],
        [False, False, True, True],
        [True, True, False, True],
        [False, True, True, True],
    ]


def test_rows_of_questions_and_of_triplets() -> None:
    asked = [
        Question(Query("q1", "what?", "1.png"), {"x": 1.0}, targets=("p-red", "p-blue")),
        Question(Query("q2", "who?"), {"x": 1.0}),
    ]
    rows = question_data(asked, TEXTS, {"q1": "p-green"}).rows
    known = frozenset(("p-red", "p-blue"))
    assert rows == tuple(DualRow("what?", "1.png", target, known, "p-green") for target in ("p-red", "p-blue"))
    triplets = [ClozeTriplet("1.png", "a _", "same"), ClozeTriplet("2.png", "b _", "same"), ClozeTriplet("3", "c", "d")]
    cloze = cloze_data(triplets)
    assert [cloze.passages[row.positive] for row in cloze.rows] == ["same", "same", "d"]
    assert len(cloze.passages) == 2
    with pytest.raises(DataError, match="1 passages are named and not given, the first 'p-nowhere'"):
        question_data(asked, TEXTS, {"q1": "p-nowhere"})


def test_what_cannot_be_trained(start: Path, pictures: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(DataError, match="expected two rows or more, got 0"):
        run_dual_training(DualData((), {}), start=start, folder=tmp_path / "none", settings=LEARNING)
    gone = DualRow("a", str(tmp_path / "gone.png"), "p-red", frozenset(("p-red",)))
    data = DualData((gone, gone), TEXTS)
    with pytest.raises(DataError, match="gone.png"):
        run_dual_training(data, start=start, folder=tmp_path / "none", settings=LEARNING)
    with pytest.raises(ConfigError, match="two or more questions in each part"):
        DualRunSettings(batch_size=4, accumulation=4)


def test_checkpointed_activations_change_nothing(start: Path, pictures: dict[str, str], tmp_path: Path) -> None:
    data, plain = colour_rows(pictures), replace(LEARNING, max_steps=2)
    frugal = replace(plain, gradient_checkpointing=True)
    folders = [
        run_dual_training(data, start=start, folder=tmp_path / name, settings=settings)
        for name, settings in (("plain", plain), ("frugal", frugal))
    ]
    before, one, other = (load_dual(folder).model.state_dict() for folder in (start, *folders))
    assert ended_alike(one, other, start=before)
