"""Mining and evaluation on a BEIR folder whose corpus bm25 keeps on disk: the same as from memory."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path

import pytest

from raqo.cli import main
from raqo.config import load_config
from raqo.errors import DataError
from raqo.evaluation.compare import System, compare
from raqo.evaluation.examples import choose_examples
from raqo.evaluation.task import text_to_image
from raqo.preference_data.trace_log import read_traces
from raqo.records import RetrievalDataset
from raqo.retrievers.bm25.stored_passages import StoredPassages, documents_by_id
from raqo.workflows.parts import Parts

WORDS = ("boat", "harbour", "light", "sail", "rope", "anchor", "gull", "wave", "tide", "pier", "crab", "shell", "storm")
CONFIG = """
data:
  train: {{path: {folder}, on_error: skip}}
  evaluate:
    test: {{path: {folder}, split: test, on_error: skip}}
retriever: {{kind: bm25}}
directions: [t2i]
cache_dir: {folder}/cache
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """60 documents out of order, one of them broken; 20 queries, half for training."""
    rng = random.Random(0)
    rows = [{"_id": f"d{at:02}", "title": "On", "text": " ".join(rng.choices(WORDS, k=6))} for at in range(60)]
    rng.shuffle(rows)
    asked = [{"_id": f"q{at}", "text": " ".join(row["text"].split()[:3])} for at, row in enumerate(rows[:20])]
    lines = [*map(json.dumps, rows), '{"_id": "broken"}']
    (tmp_path / "corpus.jsonl").write_text("\n".join(lines))
    (tmp_path / "queries.jsonl").write_text("\n".join(map(json.dumps, asked)))
    (tmp_path / "qrels").mkdir()
    for split, first in (("train", 0), ("test", 10)):
        judged = [f"q{at}\t{rows[at]['_id']}\t1" for at in range(first, first + 10)]
        (tmp_path / "qrels" / f"{split}.tsv").write_text("\n".join([*judged, f"q{first}\tbroken\t1"]))
    (tmp_path / "my.yaml").write_text(CONFIG.format(folder=tmp_path))
    return tmp_path / "my.yaml"


def damage_unseen(path: Path) -> None:
    """Other content, but size and time stay: whoever reads the file fails."""
    state = path.stat()
    path.write_bytes(b"x" * state.st_size)
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


def test_the_data_set_is_the_same(config: Path) -> None:
    parts = Parts(load_config(config))
    stored, held = parts.dataset("train"), parts.read("train")
    assert isinstance(stored.documents, StoredPassages)
    assert (stored.queries, stored.targets) == (held.queries, held.targets)
    assert list(stored.documents) == sorted(held.documents, key=lambda document: document.doc_id)
    assert list(stored.documents[-2:]) == [stored.documents[58], stored.documents[59]]
    assert parts.gallery(stored.documents).fingerprint == parts.gallery(held.documents).fingerprint
    found = documents_by_id(stored.documents)
    assert dict(found) == documents_by_id(held.documents)
    assert "broken" not in found
    strict = Parts(load_config(config, ("data.train.on_error=fail",)))
    with pytest.raises(DataError, match="jsonl:61: expected _id and text|jsonl:61: the text of 'broken' is empty"):
        strict.dataset("train")


def test_all_data_sets_of_a_folder_share_one_corpus_that_is_read_once(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Parts(load_config(config)).dataset("train")
    assert "indexing the passages" in capsys.readouterr().err
    damage_unseen(config.parent / "corpus.jsonl")
    parts = Parts(load_config(config))
    assert len(parts.dataset("train").documents) == len(parts.dataset("test").documents) == 60
    assert "indexing" not in capsys.readouterr().err


def test_mining_gives_the_same_traces(config: Path) -> None:
    from raqo.workflows.mine import run_mining
    from raqo.workflows.run_folder import RunFolder

    def mined(parts: Parts, name: str) -> list[object]:
        folder = RunFolder(config.parent / name)
        run_mining(parts, folder)
        return sorted(read_traces(folder.traces), key=lambda trace: (trace.query_id, trace.origin))

    held = Parts(load_config(config))
    held._datasets["train"] = held.read("train")
    assert len(mined(held, "held")) >= 10
    stored = Parts(load_config(config))
    stored.dataset("train")
    damage_unseen(config.parent / "corpus.jsonl")
    assert mined(stored, "stored") == mined(held, "held")


def test_evaluation_shows_the_same_examples(config: Path) -> None:
    parts = Parts(load_config(config))
    stored, held = parts.dataset("test"), parts.read("test")
    retriever = parts.gallery(stored.documents)

    def shown(dataset: RetrievalDataset) -> object:
        task = text_to_image(dataset, retriever, depth=10)
        texts = {query.query_id: query.text.split()[0] for query in dataset.queries}
        found = compare({"first word": System(texts=texts)}, task, parts.config.evaluation)
        return choose_examples(found, "first word", dataset)

    assert shown(stored) == shown(held)


def test_check_reads_everything_and_writes_nothing(
    config: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        assert main(["check", "--config", str(config), "--json"]) == 0
        said = capsys.readouterr()
        assert json.loads(said.out)["train"] == {"documents": 60, "queries": 10}
        assert "skipped 1 entries: empty text; first: " in caplog.text
        caplog.clear()
    assert not (config.parent / "cache").exists()
