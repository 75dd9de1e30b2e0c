import hashlib
import json
import random
from pathlib import Path

import pytest

from raqo.agents import prompts
from raqo.errors import DataError, RunFolderError
from raqo.preference_data.build import BuildSettings, PreferenceData, build
from raqo.preference_data.card import render_card
from raqo.preference_data.export import TABLES, export, verify
from raqo.records import Attempt, Cost, Origin, Provenance, Trace, Verdict


def traces(count: int) -> list[Trace]:
    provenance = Provenance("clip|sample:1", 100, "lexical", "", 0, "0.1")
    result = []
    for number in range(count):
        raw = Attempt(0, f"ein süßes Bötchen {number}", (), None, 0.2, Verdict.AMBIGUOUS, 1.0, False)
        good = Attempt(1, f"boat {number}", ("Bötchen",), 1, 0.3, Verdict.UNAMBIGUOUS, 0.8, True)
        result.append(Trace(f"q{number}", "d", Origin.OPTIMIZE, raw, (good,), (), None, Cost(2, 1), provenance))
    return result


def data(count: int = 3, seed: int = 0) -> PreferenceData:
    shuffled = traces(count)
    random.Random(seed).shuffle(shuffled)
    return build(shuffled, BuildSettings(), prompts)


def digests(folder: Path) -> dict[str, str]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_the_folder_holds_what_the_rows_say(tmp_path: Path) -> None:
    content = data()
    folder = export(content, tmp_path / "data")
    for table in TABLES:
        rows = [json.loads(line) for line in (folder / f"{table}.jsonl").read_text("utf-8").splitlines()]
        assert [row["id"] for row in rows] == [row.id for row in getattr(content, table)]
    (first, *_) = (json.loads(line) for line in (folder / "pro.jsonl").read_text("utf-8").splitlines())
    assert set(first) == {"id", "query", "concepts", "prompt", "candidates", "completions", "rewards"}
    assert set(first["candidates"][0]) == {"text", "score", "rank", "text_similarity", "round"}
    assert [candidate["rank"] for candidate in first["candidates"]] == [1, None]
    manifest = verify(folder)
    assert manifest["retriever"] == "clip|sample:1"
    assert manifest["rows"] == {"ccd": 3, "qre": 3, "pro": 3, "pairs": 3}
    assert set(manifest["files"]) == set(digests(folder)) - {"manifest.json"}


def test_the_same_traces_in_any_order_give_equal_bytes(tmp_path: Path) -> None:
    first = digests(export(data(seed=1), tmp_path / "a"))
    assert digests(export(data(seed=2), tmp_path / "b")) == first
    assert digests(export(data(seed=3), tmp_path / "a")) == first


@pytest.mark.parametrize("count", [0, 3])
def test_hugging_face_reads_both_forms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    datasets = pytest.importorskip("datasets")
    folder = export(data(count), tmp_path / "data")
    columns = {"ccd": "completion", "qre": "rewrite", "pro": "rewards", "pairs": "margin"}
    for table, column in columns.items():
        saved = datasets.load_from_disk(str(folder / "hf" / table))["train"]
        assert len(saved) == count
        assert {"prompt", column} <= set(saved.column_names)
        if count:
            loaded = datasets.load_dataset(str(folder), table, split="train", cache_dir=str(tmp_path / "cache"))
            assert loaded.to_list() == saved.to_list()


def test_a_former_export_is_replaced_whole_and_other_files_are_safe(tmp_path: Path) -> None:
    folder = export(data(3), tmp_path / "data")
    export(data(1), folder)
    assert verify(folder)["rows"]["qre"] == 1
    assert [path.name for path in tmp_path.iterdir()] == ["data"], "nothing is left over"
    (folder / "thesis.txt").write_text("mine")
    with pytest.raises(RunFolderError, match=r"holds something else \(thesis.txt\)"):
        export(data(2), folder)
    assert (folder / "thesis.txt").read_text() == "mine"
    assert verify(folder)["rows"]["qre"] == 1


def test_a_failure_on_the_way_leaves_the_former_export(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = export(data(3), tmp_path / "data")
    before = digests(folder)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("raqo.preference_data.export._write_manifest", full)
    with pytest.raises(RunFolderError, match="No space left on device"):
        export(data(1), folder)
    assert digests(folder) == before
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_killed_between_the_renames_the_former_export_comes_back(tmp_path: Path) -> None:
    folder = export(data(3), tmp_path / "data")
    folder.rename(tmp_path / ".data.old")
    (tmp_path / ".data.new").mkdir()
    export(data(2), folder)
    assert verify(folder)["rows"]["qre"] == 2
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_verify_finds_changes(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no readable manifest"):
        verify(tmp_path)
    folder = export(data(), tmp_path / "data")
    with (folder / "qre.jsonl").open("a") as file:
        file.write("\n")
    with pytest.raises(DataError, match=r"qre.jsonl: missing or changed"):
        verify(folder)


def test_the_card_names_what_a_reader_needs() -> None:
    card = render_card(data())
    for line in ("| retriever | clip\\|sample:1 |", "| qre | 3 |", "| min_text_similarity | 0.5 |", "| optimize | 3 |"):
        assert line in card
    assert "| pro, 2 candidates | 3 |" in card
    assert "| retriever_queries | 6 |" in card
    assert render_card(data(seed=5)) == card
