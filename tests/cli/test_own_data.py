"""What people with data of their own stumble over: names of files, names of models, settings given in part."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from raqo.cli import main
from raqo.sample.weights import BASE_LM_DIR
from raqo.workflows.mining_totals import as_text


def own(config: Path, folder: Path, *, name: str = "{}") -> Path:
    """The sample's pictures as a user has them: files beside two CSV files."""
    from raqo.preference_data.sources import SourceSettings, load_dataset

    cache = str(config.parent / "cache")
    for split, limit in (("train", 16), ("test", 8)):
        dataset = load_dataset(SourceSettings(path="sample", split=split, limit=limit, cache=cache))
        images = {document.doc_id: document.image for document in dataset.documents}
        lines = ["image,caption"]
        for query in dataset.queries:
            (target,) = dataset.targets[query.query_id]
            file = name.format(target) + ".png"
            shutil.copy(str(images[target]), folder / file)
            lines.append(f'{file},"{query.text}"')
        (folder / f"{split}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    path = folder / "my.yaml"
    path.write_text(
        f"""
data:
  train: {{path: {folder}/train.csv}}
  evaluate: {{test: {{path: {folder}/test.csv}}}}
retriever: {{model: sample}}
mining: {{max_rounds: 1}}
build: {{min_text_similarity: 0.2}}
evaluation: {{depth: 10, permutations: 100, examples: 1, ks: [5, 10]}}
wordnet: null
cache_dir: {cache}
""",
        encoding="utf-8",
    )
    return path


def test_a_run_on_pictures_whose_names_hold_blanks(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    my, out = own(config, tmp_path, name="my photo {}"), tmp_path / "run"
    few = [f"training.{stage}.max_steps=1" for stage in ("ccd", "qre", "pro")]
    assert main(["run", "--config", str(my), "--out", str(out), *few]) == 0
    said = capsys.readouterr().err
    assert "left out: " in said
    assert said.count("training.model is `sample`, a toy") == 1
    first = (out / "evaluation/test-t2i/qrels.txt").read_text(encoding="utf-8").splitlines()[0]
    assert first.split()[2].startswith("my%20photo%20")
    settings = json.loads((out / "models/pro/manifest.json").read_text(encoding="utf-8"))["inputs"]["settings"]
    assert (settings["max_steps"], settings["replay"]) == (1, 0.25)

    (out / "report.html").unlink()
    assert main(["evaluate", "--config", str(my), "--out", str(out), *few, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["manifest"]["stages"]["pro"]["steps"] == 1
    assert [row["name"] for row in report["rows"]] == ["raw", "ccd+qre+pro"]
    assert (out / "report.html").is_file()


def test_the_model_to_train_is_looked_at_before_anything_is_mined(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    for model, said in ((tmp_path / "none", "no folder"), (tmp_path / "empty", "has no config.json")):
        setting = f"training.model={model}"
        assert main(["run", "--config", str(config), "--out", str(tmp_path / "run"), setting]) == 2
        assert said in capsys.readouterr().err
        assert main(["check", "--config", str(config), setting]) == 2
        told = capsys.readouterr()
        assert said in told.err
        assert "train: 64 documents, 64 queries" in told.out
    assert not (tmp_path / "run").exists()


def test_a_model_is_named_as_on_the_hub(
    run_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = tmp_path / "hub" / "models--someone--small"
    (kept / "refs").mkdir(parents=True)
    (kept / "refs" / "main").write_text("0" * 40)
    shutil.copytree(BASE_LM_DIR, kept / "snapshots" / ("0" * 40))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    out = str(shutil.copytree(run_folder, tmp_path / "run"))
    named = ["--config", str(run_folder / "config.yaml"), "--out", out, "training.model=someone/small"]
    assert main(["train", "ccd", *named]) == 0
    said = capsys.readouterr().err
    assert "has the same inputs, reused" in said
    assert "steps" not in said  # no bar for what is not done
    assert main(["train", "ccd", *named, "training.model=someone/other"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "'someone/other' is neither a folder nor available" in line


def test_check_says_what_is_mined_and_evaluated_on(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--config", str(config), "data.evaluate.test.split=train"]) == 0
    assert "queries are in data.train too" in capsys.readouterr().err
    assert main(["check", "--config", str(config)]) == 0
    told = capsys.readouterr().err
    assert "too" not in told
    assert "a toy" not in told


def test_where_mining_gave_no_rows_the_run_ends_and_says_what_was_left_out(
    config: Path, run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(run_folder, tmp_path / "run", ignore=shutil.ignore_patterns("models", "ablation"))
    out = ["--config", str(config), "--out", str(tmp_path / "run"), "build.min_text_similarity=1"]
    assert main(["run", *out]) == 1
    *_, left_out, error = capsys.readouterr().err.splitlines()
    assert "text similarity below the threshold" in left_out
    assert "no rows for ccd, qre, pro to train on" in error
    assert not (tmp_path / "run/models").exists()
    assert main(["build-data", *out]) == 0
    assert "text similarity below the threshold" in capsys.readouterr().out


def test_texts_searched_by_pictures_are_refused_before_anything_is_mined(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "qrels").mkdir()
    (tmp_path / "corpus.jsonl").write_text('{"_id": "d", "text": "a red thing"}\n')
    (tmp_path / "queries.jsonl").write_text('{"_id": "q", "text": "red"}\n')
    (tmp_path / "qrels/test.tsv").write_text("query-id\tcorpus-id\tscore\nq\td\t1\n")
    source = f"{{path: {tmp_path}, split: test}}"
    (tmp_path / "my.yaml").write_text(
        f"data: {{train: {source}, evaluate: {{test: {source}}}}}\nretriever: {{kind: bm25}}\n"
        f"directions: [i2t]\ncache_dir: {tmp_path}/cache\n"
    )
    assert main(["run", "--config", str(tmp_path / "my.yaml"), "--out", str(tmp_path / "run")]) == 2
    assert "i2t searches with pictures" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_the_setting_that_differs_from_the_log_is_named(
    config: Path, run_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changed = ["mining.max_rounds=3", "mining.batch_size=5"]
    assert main(["mine", "--config", str(config), "--out", str(run_folder), *changed]) == 1
    error = capsys.readouterr().err
    assert "(mining.max_rounds was 2, is 3)" in error
    assert "--if-exists replace" in error


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["search", " ", "--config", "a.yaml"], "the query is empty"),
        (["search", "a", "--config", "a.yaml", "-k", "0"], "expected a number of hits, got '0'"),
        (["search", "a", "--config", "a.yaml", "-k", "many"], "expected a number of hits, got 'many'"),
    ],
)
def test_queries_and_hits_are_checked(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        main(arguments)
    assert raised.value.code == 2
    assert said in capsys.readouterr().err


def test_a_verb_that_reads_no_settings_refuses_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rewrite", "a red dog", "--rewriter", "run", "gate.depth=3"]) == 2
    assert "`raqo rewrite` takes no settings, got 'gate.depth=3'" in capsys.readouterr().err


def test_what_mining_did_is_told_in_words() -> None:
    cost = {"retriever_queries": 1200, "chat_calls": 0, "prompt_tokens": 0, "completion_tokens": 0}
    found = {
        "queries": 3,
        "skipped": 2,
        "verdicts": {"ambiguous": 2, "unambiguous": 1},
        "accepted": 4,
        "solved": 2,
        "perturbed": 0,
        "failures": {},
        "cost": cost,
        "total": {"queries": 5, "accepted": 6, "failures": {}, **cost, "money": 0.25},
    }
    assert as_text(found).splitlines() == [
        "queries: 3 mined now, 2 were there already",
        "as they came: 2 ambiguous, 1 unambiguous",
        "accepted: 4 wordings of 2 ambiguous queries, perturbations of 0 unambiguous ones",
        "took: 1,200 retriever queries",
        "failures: none",
        "in all: 5 queries, 6 accepted wordings; 1,200 retriever queries, 0.25 money",
    ]
