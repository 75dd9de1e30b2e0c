from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from raqo.errors import RunFolderError
from raqo.files import put_in_place, recover, write_json, write_text


def filled(folder: Path, text: str) -> Path:
    folder.mkdir()
    (folder / "file").write_text(text)
    return folder


def mode_of(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_a_text_replaces_the_old_one_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    for text in ("old", "new é"):
        write_text(tmp_path / "made" / "file", text)
    assert (tmp_path / "made" / "file").read_text(encoding="utf-8") == "new é"
    assert os.listdir(tmp_path / "made") == ["file"]
    write_json(tmp_path / "a.json", {"ä": 1})
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == {"ä": 1}


def test_a_write_that_fails_leaves_the_old_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_text(tmp_path / "file", "old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunFolderError, match="No space left"):
        write_text(tmp_path / "file", "new")
    assert (tmp_path / "file").read_text() == "old"
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize(("umask", "expected"), [(0o022, 0o644), (0o007, 0o660), (0o077, 0o600)])
def test_a_new_file_has_the_permissions_that_open_gives(tmp_path: Path, umask: int, expected: int) -> None:
    made = tmp_path / "made"
    script = f"from pathlib import Path; from raqo.files import write_text; write_text(Path({str(made)!r}), 'x')"
    subprocess.run([sys.executable, "-c", script], check=True, umask=umask)
    assert mode_of(made) == expected


def test_a_file_that_is_replaced_keeps_its_permissions(tmp_path: Path) -> None:
    file = tmp_path / "file"
    for mode in (0o600, 0o664):
        write_text(file, "old")
        file.chmod(mode)
        write_text(file, "new")
        assert (file.read_text(), mode_of(file)) == ("new", mode)


def test_files_of_a_folder_are_as_readable_as_the_folder(tmp_path: Path) -> None:
    for mode, expected in ((0o755, 0o644), (0o770, 0o660), (0o700, 0o600)):
        new = filled(tmp_path / "work", "new")
        (new / "inner").mkdir()
        private = new / "inner" / "private"
        private.touch(mode=0o600)
        new.chmod(mode)
        put_in_place(new, tmp_path / "target")
        assert mode_of(tmp_path / "target" / "inner" / "private") == expected


def test_a_folder_takes_the_place_of_another(tmp_path: Path) -> None:
    target = filled(tmp_path / "target", "old")
    put_in_place(filled(tmp_path / "work", "new"), target)
    assert (target / "file").read_text() == "new"
    assert os.listdir(tmp_path) == ["target"]


def test_a_kill_between_the_renames_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target, work = filled(tmp_path / "target", "old"), filled(tmp_path / "work", "new")
    rename = os.replace

    def killed(source: Path, destination: Path) -> None:
        if source == work:
            raise KeyboardInterrupt
        rename(source, destination)

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        put_in_place(work, target)
    assert not target.exists()
    recover(target)
    assert (target / "file").read_text() == "old"
    recover(target)  # nothing to do
    assert (target / "file").read_text() == "old"
