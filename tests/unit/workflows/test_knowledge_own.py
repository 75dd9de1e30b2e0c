"""`raqo knowledge` on questions of one's own, with the real sentence encoder and BM25."""

import json
from pathlib import Path

import pytest
from PIL import Image
from rows_alike import same_rows

from raqo.cli import main
from raqo.preference_data.trace_log import read_traces

FACTS = {
    "deer": "A deer carries its fawn for seven months before birth.",
    "dog": "A canine carries its puppies for nine weeks before birth.",
    "bell": "A chime is cast of bronze by a founder.",
    "kite": "A kite is made of silk and bamboo.",
    "story": "The old story tells of a dog and a bell at the market.",
}
ASKED = [
    ("q1", "How long is this animal pregnant?", "a deer in a wood", ["seven months"]),
    ("q2", "How long is this animal pregnant?", "a black dog", ["nine weeks"]),
    ("q3", "What is this thing made of?", "a bell on a wall", ["bronze"]),
    ("q4", "What is this thing made of?", "a kite in the sky", ["silk"]),
    ("q5", "Who painted this?", "a kite in the sky", ["nobody knows"]),
]
CONFIG = """
knowledge:
  train: {{benchmark: jsonl, questions: {folder}/train.jsonl, split: train}}
  evaluate: {{benchmark: jsonl, questions: {folder}/test.jsonl, passages: {folder}/corpus.jsonl}}
retriever: {{kind: bm25}}
feedback: {{vocabulary: 200}}
mining: {{ambiguous_beyond: 1, unambiguous_at: 1}}
build: {{min_text_similarity: 0.0, negatives: always}}
cache_dir: {folder}/cache
"""


def lines(path: Path, rows: list[dict[str, object]]) -> None:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")


def question(query_id: str, text: str, caption: str, answers: list[str]) -> dict[str, object]:
    return {"id": query_id, "question": text, "caption": caption, "answers": answers}


def write(folder: Path, **more: object) -> Path:
    folder.mkdir(exist_ok=True)
    for name in ("train", "test"):
        lines(folder / f"{name}.jsonl", [question(*one) | more for one in ASKED])
    lines(folder / "corpus.jsonl", [{"_id": name, "text": text} for name, text in FACTS.items()])
    path = folder / "mine.yaml"
    path.write_text(CONFIG.format(folder=folder), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("own"))


@pytest.fixture(scope="module")
def run(config: Path) -> Path:
    out = config.parent / "run"
    assert main(["knowledge", "--config", str(config), "--out", str(out)]) == 0
    return out


def test_the_table_compares_the_loop_with_plain_searches(run: Path) -> None:
    report = json.loads((run / "report.json").read_text())
    rows = {row["name"]: row for row in report["rows"]}
    assert list(rows) == ["question only", "question + caption", "caption only", "loop"], "no oracle, no ablations"
    assert all(row["n"] == 5 for row in rows.values())
    assert rows["loop"]["hit"] >= rows["question only"]["hit"]
    assert (report["task"], report["questions"], report["passages"], report["captions"]) == ("test", 5, 5, 5)
    assert report["chat"] is None


def test_right_passages_are_those_found_that_hold_an_answer(run: Path) -> None:
    traces = {trace.query_id: trace for trace in read_traces(run / "traces.jsonl")}
    assert {name: trace.target for name, trace in traces.items()} == {
        "q1": "deer",
        "q2": "dog",
        "q3": "bell",
        "q4": "kite",
    }
    assert json.loads((run / "unanswered.json").read_text())["questions"] == ["q5"]
    assert json.loads((run / "report.json").read_text())["preferences"]["unanswered"] == 1
    assert (run / "data" / "qre.jsonl").is_file()


def test_a_second_run_asks_no_training_question_again(run: Path, config: Path, capsys) -> None:
    before = (run / "traces.jsonl").read_bytes()
    assert main(["knowledge", "--config", str(config), "--out", str(run)]) == 0
    assert "all 5 training questions are in traces.jsonl already, reused" in capsys.readouterr().err
    assert (run / "traces.jsonl").read_bytes() == before
    assert main(["knowledge", "--config", str(config), "--out", str(run), "expansion.window=2"]) == 1
    assert "traces.jsonl" in capsys.readouterr().err


def test_a_log_that_was_cut_off_goes_on_where_it_was(run: Path, config: Path, tmp_path: Path) -> None:
    assert main(["knowledge", "--config", str(config), "--out", str(tmp_path / "run"), "expansion.batch_size=2"]) == 0
    log = tmp_path / "run" / "traces.jsonl"
    assert same_rows(log.read_bytes(), (run / "traces.jsonl").read_bytes()), "batches change nothing"
    kept = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(b"".join(kept[:3]) + kept[3][:20])
    (tmp_path / "run" / "unanswered.json").unlink()
    assert main(["knowledge", "--config", str(config), "--out", str(tmp_path / "run")]) == 0
    assert log.read_bytes().startswith(b"".join(kept[:3]))
    assert same_rows(log.read_bytes(), b"".join(kept))


def test_check_index_and_dry_run_count(config: Path, tmp_path: Path, capsys) -> None:
    assert main(["check", "--config", str(config), "--json"]) == 0
    counts = {"questions": 5, "passages": 5, "pictures": 0, "captions": 5}
    assert json.loads(capsys.readouterr().out) == {"knowledge.evaluate": counts, "knowledge.train": counts}
    assert main(["index", "--config", str(config), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["knowledge.evaluate"]["documents"] == 5
    out = tmp_path / "none"
    assert main(["knowledge", "--config", str(config), "--out", str(out), "--dry-run", "--trained"]) == 0
    said = capsys.readouterr().out
    assert "evaluate: test test: 5 questions (5 with caption), 5 passages" in said
    assert "train: the rewriter, on the preferences" in said
    assert "chat" not in said
    assert not out.exists()


def test_without_training_questions_nothing_is_logged(config: Path, tmp_path: Path, capsys) -> None:
    asked = ["knowledge", "--config", str(config), "--out", str(tmp_path / "run"), "knowledge.train=null"]
    assert main([*asked, "--trained"]) == 2
    assert "there is nothing to train on" in capsys.readouterr().err
    assert main(asked) == 0
    assert not (tmp_path / "run" / "traces.jsonl").exists()
    assert json.loads((tmp_path / "run" / "report.json").read_text())["preferences"] is None


def test_training_questions_may_have_passages_of_their_own(config: Path, tmp_path: Path) -> None:
    facts = {**FACTS, "painter": "Nobody knows who painted it."}
    lines(tmp_path / "corpus.jsonl", [{"_id": name, "text": text} for name, text in facts.items()])
    passages = f"knowledge.train.passages={tmp_path}/corpus.jsonl"
    assert main(["knowledge", "--config", str(config), "--out", str(tmp_path / "run"), passages]) == 0
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    traces = list(read_traces(tmp_path / "run" / "traces.jsonl"))
    assert {trace.provenance.gallery_size for trace in traces} == {6}
    assert report["passages"] == 5
    assert {trace.provenance.retriever for trace in traces} != {report["retriever"]}


def test_pictures_without_caption_and_without_anybody_to_describe_them_are_said(tmp_path: Path, capsys) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    path = write(tmp_path, image="a.png", caption="")
    assert main(["knowledge", "--config", str(path), "--out", str(tmp_path / "run"), "knowledge.train=null"]) == 0
    said = capsys.readouterr()
    assert "test: 1 pictures have no caption, so nothing is known of them" in said.err
    assert "test: 5 of 5 questions go without caption" in said.err
    assert "caption only" not in said.out


def test_pictures_without_caption_are_named_by_the_clip_model_that_is_set(tmp_path: Path, capsys) -> None:
    Image.new("RGB", (64, 64), "red").save(tmp_path / "a.png")
    path = write(tmp_path, image="a.png", caption="")
    (tmp_path / "words.txt").write_text("dog\nbell\nkite\n", encoding="utf-8")
    keywords = ["knowledge.keywords.model=sample", "knowledge.train=null"]
    out = ["--out", str(tmp_path / "run")]
    assert main(["knowledge", "--config", str(path), *out, *keywords]) == 2
    assert "name a file with one word a line" in capsys.readouterr().err
    words = f"knowledge.keywords.words={tmp_path}/words.txt"
    assert main(["knowledge", "--config", str(path), *out, *keywords, words, "ablations=true"]) == 0
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    assert report["captions"] == 5
    names = [row["name"] for row in report["rows"]]
    assert "loop without picture" in names
    assert "loop without caption (keywords from the picture)" not in names, "the loop itself has nothing but keywords"


def test_a_passage_of_five_megabytes_and_odd_questions_do_no_harm(tmp_path: Path) -> None:
    path = write(tmp_path)
    odd = ["of the", '"(AND) ~^ OR *:*"', "\ud83d\ude00", "a" * 5000]
    lines(tmp_path / "test.jsonl", [question(f"odd{at}", text, "a bell", ["bronze"]) for at, text in enumerate(odd)])
    long = {"_id": "long", "text": "bell pregnant " + "word " * 1_000_000}
    lines(tmp_path / "corpus.jsonl", [long, *({"_id": name, "text": text} for name, text in FACTS.items())])
    out = tmp_path / "run"
    assert main(["knowledge", "--config", str(path), "--out", str(out), "knowledge.train=null"]) == 0
    assert json.loads((out / "report.json").read_text())["questions"] == 4


@pytest.mark.parametrize(
    ("settings", "code", "said"),
    [
        (["knowledge.evaluate.passages=gone.jsonl"], 1, "gone.jsonl: cannot be read"),
        (["knowledge.evaluate.passages=null"], 2, "name the corpus of jsonl"),
        (["knowledge.relevance.answers=stemmed"], 1, "has no stemmed answer"),
        (["knowledge.relevance.match=words"], 2, "did you mean 'word'"),
        (["knowledge.evaluate.benchmark=okvqa"], 2, "did you mean 'okvqa-"),
        (["knowledge.evaluate.question=x"], 2, "did you mean 'questions'"),
        (["expander=chat"], 2, "no section 'chat'"),
        (["knowledge.keywords.n=0"], 2, "give at least 1"),
        (["knowledge=null"], 2, "missing data.train"),
        (["knowledge=null", "data.train.path=sample"], 2, "the section is not there"),
    ],
)
def test_wrong_settings_and_data_are_one_error_before_anything_is_made(
    config: Path, tmp_path: Path, capsys, settings: list[str], code: int, said: str
) -> None:
    assert main(["knowledge", "--config", str(config), "--out", str(tmp_path / "run"), *settings]) == code
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("raqo:")]
    assert said in line
    assert not (tmp_path / "run").exists()


def test_training_questions_without_any_right_passage_are_an_error(tmp_path: Path, capsys) -> None:
    path = write(tmp_path)
    lines(tmp_path / "train.jsonl", [question(*ASKED[-1])])
    assert main(["knowledge", "--config", str(path), "--out", str(tmp_path / "run")]) == 1
    assert "holds an answer; check that questions and passages belong together" in capsys.readouterr().err


def test_verbs_for_pictures_say_that_there_are_none(config: Path, tmp_path: Path, capsys) -> None:
    assert main(["mine", "--config", str(config), "--out", str(tmp_path / "run")]) == 2
    assert "data.train: no training data are named" in capsys.readouterr().err
