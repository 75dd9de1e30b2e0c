"""When an evaluation that is there must not be taken again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from raqo.workflows.kept_evaluation import read_evaluation_manifest, source_hash
from raqo.workflows.run_folder import RunFolder

WHOLE = {"inputs": {}, "files": {}, "rows": [], "examples": [], "main": "qre"}


def test_code_that_changes_without_a_new_version_counts(tmp_path: Path) -> None:
    (tmp_path / "graphs").mkdir()
    for name in ("a.py", "graphs/b.py"):
        (tmp_path / name).write_text("x = 1\n")
    found = [source_hash(tmp_path)]
    (tmp_path / "notes.txt").write_text("no code")
    assert source_hash(tmp_path) == found[0]
    (tmp_path / "graphs/b.py").write_text("x = 2\n")
    found.append(source_hash(tmp_path))
    (tmp_path / "graphs/b.py").rename(tmp_path / "c.py")
    found.append(source_hash(tmp_path))
    (tmp_path / "c.py").unlink()
    found.append(source_hash(tmp_path))
    assert len(set(found)) == 4


@pytest.mark.parametrize("content", ["", "{torn", "[]", "null", '{"inputs": {}}', json.dumps({**WHOLE, "inputs": []})])
def test_a_manifest_that_is_not_whole_counts_as_none(tmp_path: Path, content: str) -> None:
    folder = RunFolder(tmp_path)
    assert read_evaluation_manifest(folder) == {}
    folder.evaluation.mkdir()
    folder.evaluated.write_text(content)
    assert read_evaluation_manifest(folder) == {}
    folder.evaluated.write_text(json.dumps(WHOLE))
    assert read_evaluation_manifest(folder) == WHOLE
