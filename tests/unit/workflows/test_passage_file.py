"""Corpora that are searched, shown and asked from disk: the same as from memory, and read once."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from raqo.cli import main
from raqo.config import load_config
from raqo.errors import ConfigError, DataError
from raqo.preference_data.sources.knowledge import distinct_passages
from raqo.protocols import ExpansionCase, Resolution
from raqo.records import Document, Query
from raqo.retrievers.bm25.mapped_texts import MappedTexts
from raqo.sample.weights import BASE_LM_DIR
from raqo.workflows.galleries import gallery_names, open_gallery
from raqo.workflows.knowledge.corpus import READ, Corpus
from raqo.workflows.knowledge.data import KnowledgeData
from raqo.workflows.knowledge.passage_file import PassageFile, counted
from raqo.workflows.parts import Parts

WORDS = ("boat", "harbour", "light", "sail", "rope", "anchor", "gull", "wave", "tide", "pier", "crab", "shell", "storm")
CONFIG = """
knowledge:
  evaluate: {{benchmark: jsonl, questions: {folder}/questions.jsonl, passages: {folder}/corpus.jsonl}}
retriever: {{kind: bm25}}
cache_dir: {folder}/cache
"""
QUESTIONS = [
    {"id": "q1", "question": "What holds this?", "caption": "a boat at a pier", "answers": ["anchor", "rope"]},
    {"id": "q2", "question": "Who eats this?", "caption": "a crab on a shell", "answers": ["gull"]},
]


def lines(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")


def corpus(count: int, seed: int = 0) -> list[dict[str, Any]]:
    rng = random.Random(seed)
    rows = [{"_id": f"p{at:04}", "title": "On", "text": " ".join(rng.choices(WORDS, k=12))} for at in range(count)]
    rng.shuffle(rows)
    return rows


@pytest.fixture
def config(tmp_path: Path) -> Path:
    lines(tmp_path / "corpus.jsonl", corpus(300))
    lines(tmp_path / "questions.jsonl", QUESTIONS)
    (tmp_path / "my.yaml").write_text(CONFIG.format(folder=tmp_path), encoding="utf-8")
    return tmp_path / "my.yaml"


def opened(config: Path, *overrides: str) -> Corpus:
    found = open_gallery(Parts(load_config(config, overrides)))
    assert isinstance(found.documents, PassageFile)
    return found


def in_memory(config: Path) -> Corpus:
    parts = Parts(load_config(config, ("cache_dir=" + str(config.parent / "other"),)))
    return Corpus(parts, tuple(distinct_passages(KnowledgeData(parts).settings.evaluate)))


def damage_unseen(path: Path) -> None:
    """Other content, but size and time stay: whoever reads the file fails."""
    state = path.stat()
    path.write_bytes(b"x" * state.st_size)
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


def test_hits_scores_and_texts_are_those_of_the_way_in_memory(config: Path) -> None:
    stored, held = opened(config), in_memory(config)
    queries = [Query(str(at), " ".join(row["text"].split()[:3])) for at, row in enumerate(corpus(40, seed=1))]
    assert stored.retriever.fingerprint == held.retriever.fingerprint
    found = stored.retriever.search(queries, k=20)
    assert found == held.retriever.search(queries, k=20)
    assert [stored.found(ranking) for ranking in found] == [held.found(ranking) for ranking in found]
    assert dict(stored.texts) == dict(held.texts)
    assert list(stored.documents) == sorted(held.documents, key=lambda document: document.doc_id)
    assert stored.documents[-1] == Document("p0299", text=stored.texts["p0299"])
    assert stored.documents[1:3] == [stored.documents[1], stored.documents[2]]


def test_a_corpus_is_read_once(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["index", "--config", str(config), "--json"]) == 0
    indexed = json.loads(capsys.readouterr().out)
    damage_unseen(config.parent / "corpus.jsonl")
    assert main(["index", "--config", str(config), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == indexed
    assert indexed["knowledge.evaluate"]["documents"] == 300
    (config.parent / "questions.jsonl").unlink()
    assert main(["search", "gull and captain", "--config", str(config), "-k", "3"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 3
    for changed in ("knowledge.evaluate.on_error=skip", "retriever.k1=1.2", "retriever.shards=2"):
        assert main(["index", "--config", str(config), changed]) == 1
        assert "corpus.jsonl" in capsys.readouterr().err, "another way to read or index it"


def test_a_changed_or_missing_file_is_another_corpus(config: Path) -> None:
    before = opened(config)
    assert before.retriever.size == len(before.documents) == 300
    lines(config.parent / "corpus.jsonl", corpus(301))
    assert opened(config).retriever.size == 301
    (config.parent / "corpus.jsonl").unlink()
    with pytest.raises(DataError, match=r"corpus\.jsonl: cannot be read"):
        _ = opened(config).retriever


@pytest.mark.parametrize("part", ["texts-*/texts.letters.bin", "texts-*/ids.ends.npy", "bm25-*/data.csc.index.npy"])
def test_what_is_cut_off_is_made_anew(part: str, config: Path, caplog: pytest.LogCaptureFixture) -> None:
    texts = dict(opened(config).texts)
    (path,) = (config.parent / "cache" / "indexes").glob(part)
    path.write_bytes(path.read_bytes()[:-9])
    assert dict(opened(config).texts) == texts
    assert "not a whole index" in caplog.text
    assert "Building it anew" in caplog.text


def test_an_index_made_in_memory_gets_its_texts(config: Path) -> None:
    parts = Parts(load_config(config))
    held = tuple(distinct_passages(KnowledgeData(parts).settings.evaluate))
    fingerprint = parts.gallery(held).fingerprint
    assert opened(config).retriever.fingerprint == fingerprint
    assert len(opened(config).texts) == 300


def test_passages_that_occur_twice(config: Path) -> None:
    rows = corpus(50)
    lines(config.parent / "corpus.jsonl", [*rows, {"_id": rows[7]["_id"], "text": "another"}, {"_id": "bad"}])
    with pytest.raises(DataError, match="occurs twice"):
        _ = opened(config).retriever
    assert not (config.parent / "cache").is_dir() or not list((config.parent / "cache" / "indexes").iterdir())
    kept = opened(config, "knowledge.evaluate.on_error=skip")
    assert len(kept.documents) == 50
    assert "another" not in kept.texts.values()


def test_check_and_dry_run_count_and_write_nothing(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--config", str(config), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["knowledge.evaluate"]["passages"] == 300
    assert main(["knowledge", "--config", str(config), "--out", str(config.parent / "run"), "--dry-run"]) == 0
    assert "2 questions (2 with caption), 300 passages" in capsys.readouterr().out
    assert not (config.parent / "cache").exists()


def test_the_loop_runs_on_a_corpus_on_disk_as_on_one_in_memory(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    small = ["feedback.vocabulary=13", "expansion.max_rounds=1"]
    train = f"knowledge.train={{benchmark: jsonl, split: train, questions: {config.parent}/questions.jsonl}}"
    asked = ["knowledge", "--config", str(config), "--json", *small, train, "--out"]
    run = config.parent / "stored"
    assert main([*asked, str(run)]) == 0
    stored = json.loads(capsys.readouterr().out)
    with monkeypatch.context() as patch:
        patch.setattr("raqo.workflows.knowledge.passage_file._stores", lambda settings: False)
        assert main([*asked, str(config.parent / "held")]) == 0
    held = json.loads(capsys.readouterr().out)
    for report in (stored, held):
        del report["timing"]
    assert stored == held
    assert stored["passages"] == 300
    assert (run / "traces.jsonl").read_bytes() == (config.parent / "held" / "traces.jsonl").read_bytes()

    # the language model that training starts from stands for a trained one
    (run / "models").mkdir()
    (run / "models" / "qre").symlink_to(BASE_LM_DIR)
    for gallery in ([], ["--gallery", "knowledge.train"]):
        assert main(["rewrite", "a boat at a pier", "--rewriter", str(run), "--json", "-k", "2", *gallery]) == 0
        assert len(json.loads(capsys.readouterr().out)["before"]) == 2
    assert main(["rewrite", "a boat at a pier", "--rewriter", str(run), "--gallery", "train"]) == 2
    assert "use one of: knowledge.evaluate, knowledge.train." in capsys.readouterr().err
    assert main(["rewrite", "a boat", "--rewriter", str(config.parent / "held"), "--gallery", "train"]) == 1
    assert "there is no trained rewriter" in capsys.readouterr().err


def test_the_words_of_a_corpus_are_counted_once(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unread(texts: MappedTexts, position: int) -> str:
        raise AssertionError(position)

    case = ExpansionCase(query=Query("q", "what boat is at the pier?"), caption="", resolution=Resolution(""))
    held = in_memory(config).expander.expand([case], n=5, temperature=0)
    assert opened(config).expander.expand([case], n=5, temperature=0) == held
    monkeypatch.setattr(MappedTexts, "at", unread)
    assert opened(config).expander.expand([case], n=5, temperature=0) == held


def test_training_questions_that_name_the_same_file_share_it(config: Path) -> None:
    folder = config.parent
    for named, same in (("null", True), (f"{folder}/corpus.jsonl", True), (f"{folder}/more.jsonl", False)):
        lines(folder / "more.jsonl", corpus(20))
        train = f"{{benchmark: jsonl, split: train, questions: {folder}/questions.jsonl, passages: {named}}}"
        data = KnowledgeData(Parts(load_config(config, (f"knowledge.train={train}",))))
        assert data.train is not None
        assert (data.train.documents == data.test.documents) is same
        assert counted(data.train.documents) == (300 if same else 20)
        gallery = open_gallery(data.parts, "knowledge.train")
        assert len(gallery.documents) == counted(data.train.documents)


def test_a_sentence_encoder_is_given_the_start_of_a_long_passage(config: Path) -> None:
    lines(config.parent / "corpus.jsonl", [{"_id": "long", "text": "boat " * READ}, {"_id": "short", "text": "sail"}])
    found = opened(config)
    read: list[str] = []

    class Encoder:
        fingerprint = "none"

        def encode_texts(self, texts: list[str]) -> Any:
            import numpy as np

            read.extend(texts)
            return np.ones((len(texts), 1), dtype=np.float32)

    found.parts.__dict__["text_encoder"] = Encoder()
    (ranking,) = found.retriever.search([Query("q", "boat")], k=2)
    found.agreement(["boat"], [], [ranking])
    assert max(map(len, read)) == READ
    assert len(found.texts["long"]) > READ


def test_a_text_is_shown_on_one_line(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # control sequences would otherwise reach the terminal
    rows = [
        {"_id": "long", "text": "boat \u001b[31m red" + " sail" * 1000},
        {"_id": "short", "text": "boat \u0007here"},
    ]
    lines(config.parent / "corpus.jsonl", rows)
    assert main(["search", "boat", "--config", str(config)]) == 0
    short, long = capsys.readouterr().out.splitlines()
    assert short.endswith("  short  boat here")
    assert long.endswith("sail…")
    assert len(long) < 130
    assert "\u001b" not in long
    assert main(["search", "boat", "--config", str(config), "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["hits"][1]["shows"]) > 5000


def test_galleries_are_named(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["search", "boat", "--config", str(config), "--gallery", "knowledge.evaluate", "-k", "1"]) == 0
    assert main(["search", "boat", "--config", str(config), "--gallery", "train"]) == 2
    assert "'train': unknown; use one of: knowledge.evaluate." in capsys.readouterr().err
    parts = Parts(load_config(config, ("data.train.path=sample", "data.evaluate.test.path=sample")))
    assert gallery_names(parts) == ["test", "train", "knowledge.evaluate"]
    with pytest.raises(ConfigError, match=r"did you mean 'knowledge\.evaluate'"):
        open_gallery(parts, "knowledge.evaluat")


def test_the_corpus_of_a_beir_folder_stays_on_disk_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines(tmp_path / "corpus.jsonl", corpus(60))
    lines(tmp_path / "queries.jsonl", [{"_id": "q", "text": "boat"}])
    (tmp_path / "qrels").mkdir()
    (tmp_path / "qrels" / "train.tsv").write_text("query\tdoc\tscore\nq\tp0003\t1\n")
    (tmp_path / "my.yaml").write_text(
        f"data: {{train: {{path: {tmp_path}}}}}\nretriever: {{kind: bm25}}\ncache_dir: {tmp_path}/cache\n"
    )
    config = load_config(tmp_path / "my.yaml")
    parts = Parts(replace(config, cache_dir=str(tmp_path / "other")))
    assert main(["index", "--config", str(tmp_path / "my.yaml"), "--json"]) == 0
    held = parts.gallery(parts.read("train").documents)
    assert json.loads(capsys.readouterr().out) == {"train": {"documents": 60, "fingerprint": held.fingerprint}}
    damage_unseen(tmp_path / "corpus.jsonl")
    assert main(["search", "boat", "--config", str(tmp_path / "my.yaml"), "-k", "1"]) == 0
    assert "  On " in capsys.readouterr().out


def test_a_folder_of_passages_is_read_by_split_and_again_when_a_file_of_it_changes(tmp_path: Path) -> None:
    import datasets

    def write(part: str, texts: list[str]) -> None:
        rows = [{"passage_id": f"{part}{at}", "passage_content": text} for at, text in enumerate(texts)]
        datasets.Dataset.from_list(rows).to_parquet(str(tmp_path / f"{part}_passages-00000-of-00001.parquet"))

    def found(split: str) -> list[str]:
        evaluate = f"knowledge.evaluate={{benchmark: e-vqa, passages: {tmp_path}, split: {split}, counts: ignore}}"
        settings = ("retriever.kind=bm25", f"cache_dir={tmp_path}/cache")
        (tmp_path / "my.yaml").write_text("knowledge: {evaluate: {benchmark: sample}}")
        return list(open_gallery(Parts(load_config(tmp_path / "my.yaml", (evaluate, *settings)))).texts)

    write("test", ["a boat", "a sail"])
    write("valid", ["a pier"])
    assert found("test") == ["test0", "test1"]
    assert found("valid") == ["valid0"]
    write("test", ["a boat", "a sail", "a lighthouse"])
    assert found("test") == ["test0", "test1", "test2"]


@pytest.mark.parametrize("kind", ["{kind: bm25, engine: rank_bm25}", "{kind: lsh}"])
def test_other_retrievers_hold_the_passages(
    kind: str, config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    parts = Parts(load_config(config, (f"retriever={kind}",)))
    documents = open_gallery(parts).documents
    assert isinstance(documents, tuple)
    assert len(documents) == 300
    assert "memory" not in capsys.readouterr().err
    monkeypatch.setattr("raqo.workflows.knowledge.passage_file.LARGE", 1000)
    assert open_gallery(parts).documents == documents
    assert "corpus.jsonl: 0.0 GiB of passages will be held in memory" in capsys.readouterr().err


MEASURED = """
import sys
from raqo.cli import main
code = main(sys.argv[1:])
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(peak.split()[1], file=sys.stderr)
sys.exit(code)
"""


def peak_mb(*arguments: str) -> float:
    """The most memory that a command takes, files that are mapped included."""
    done = subprocess.run([sys.executable, "-c", MEASURED, *arguments], capture_output=True, text=True, check=True)
    return int(done.stderr.splitlines()[-1]) / 1024


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="the peak is read from /proc")
def test_memory_is_bounded_for_many_passages(config: Path) -> None:
    rng = random.Random(3)
    vocabulary = [f"w{at}" for at in range(50_000)]
    padding = "x" * 8000  # one word, so that texts are large and their index is not
    with open(config.parent / "corpus.jsonl", "w", encoding="utf-8") as file:
        for at in range(200_000):
            words = " ".join(rng.choices(vocabulary, k=20))
            file.write(json.dumps({"_id": f"p{at}", "text": f"{words} {padding}"}) + "\n")
    assert peak_mb("index", "--config", str(config)) < 1000, "the texts alone are 1600 MB"
    assert peak_mb("search", "w17 w4", "--config", str(config)) < 600
