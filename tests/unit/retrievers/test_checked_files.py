"""Files are hashed once, and again whenever they may have changed."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from pathlib import Path

import numpy as np
import pytest

from raqo.errors import DataError
from raqo.retrievers import checked_files
from raqo.retrievers.checked_files import CHECKED, SETTLED_NS, changed_files
from raqo.retrievers.index_folder import IndexIdentity, read_manifest, write_index
from raqo.retrievers.vectors.dense_index import EMBEDDINGS, DenseIndex

CONTENT = {"a.bin": b"one" * 1000, "b.bin": b"two" * 1000}
DIGESTS = {name: hashlib.sha256(content).hexdigest() for name, content in CONTENT.items()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "folder"
    made.mkdir()
    for name, content in CONTENT.items():
        (made / name).write_bytes(content)
    return made


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that were hashed."""
    names: list[str] = []
    digest = checked_files.file_digest

    def noted(path: Path) -> str:
        names.append(path.name)
        return digest(path)

    monkeypatch.setattr(checked_files, "file_digest", noted)
    return names


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files made in the test are old enough to be remembered."""
    now = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: now() + 2 * SETTLED_NS)


def tick(path: Path) -> None:
    """Wait until the file system gives other times than it gave a file."""
    probe = path.with_name("probe")
    while True:
        probe.write_bytes(b"")
        if probe.stat().st_ctime_ns > path.stat().st_ctime_ns:
            break
        time.sleep(0.001)
    probe.unlink()


def test_what_was_found_right_is_read_once(folder: Path, read: list[str], later: None) -> None:
    assert changed_files(folder, DIGESTS) == []
    assert sorted(read) == sorted(CONTENT)
    read.clear()
    assert changed_files(folder, DIGESTS) == []
    assert read == []
    assert sorted(path.name for path in folder.iterdir()) == ["a.bin", "b.bin", CHECKED]


@pytest.mark.parametrize("damage", ["change", "change, time kept", "truncate", "lengthen", "replace"])
def test_damage_after_a_check_is_found(damage: str, folder: Path, read: list[str], later: None) -> None:
    changed_files(folder, DIGESTS)
    read.clear()
    path = folder / "a.bin"
    state, content = path.stat(), path.read_bytes()
    tick(path)
    match damage:
        case "truncate":
            path.write_bytes(content[:-1])
        case "lengthen":
            path.write_bytes(content + b"e")
        case "replace":
            (folder / "other").write_bytes(b"x" + content[1:])
            os.replace(folder / "other", path)
        case _:
            path.write_bytes(b"x" + content[1:])
    if damage != "change":
        os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    for _ in range(2):
        assert changed_files(folder, DIGESTS) == ["a.bin"]
    assert read == ["a.bin", "a.bin"], "what is wrong is never remembered, what is right is not read"
    path.write_bytes(content)
    assert changed_files(folder, DIGESTS) == []


def test_another_digest_is_another_file(folder: Path, later: None) -> None:
    changed_files(folder, DIGESTS)
    assert changed_files(folder, {**DIGESTS, "b.bin": DIGESTS["a.bin"]}) == ["b.bin"]


def test_a_missing_file_is_missed_after_a_check_too(folder: Path, later: None) -> None:
    changed_files(folder, DIGESTS)
    (folder / "b.bin").unlink()
    with pytest.raises(FileNotFoundError, match=r"b\.bin"):
        changed_files(folder, DIGESTS)


@pytest.mark.parametrize("copy", [shutil.copy, shutil.copy2])
def test_a_copy_is_read_once_whether_or_not_it_keeps_the_times(
    copy: object, folder: Path, read: list[str], later: None, tmp_path: Path
) -> None:
    changed_files(folder, DIGESTS)
    tick(folder / "b.bin")
    shutil.copytree(folder, tmp_path / "copy", copy_function=copy)  # type: ignore[arg-type]
    for expected in (sorted(CONTENT), []):
        read.clear()
        assert changed_files(tmp_path / "copy", DIGESTS) == []
        assert sorted(read) == expected


def test_a_file_that_was_just_written_is_not_remembered(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second change in the same tick of the clock would leave its times as they are."""
    newest = max((folder / name).stat().st_ctime_ns for name in CONTENT)
    monkeypatch.setattr(time, "time_ns", lambda: newest)
    changed_files(folder, DIGESTS)
    assert not (folder / CHECKED).exists()
    (folder / "a.bin").write_bytes(b"x" * 3000)
    assert changed_files(folder, DIGESTS) == ["a.bin"]


@pytest.mark.parametrize("written", [b"\xff\xfe", b"", b"0 0 0 0 a.bin\n", None])
def test_a_damaged_note_costs_a_reading_and_nothing_else(
    written: bytes | None, folder: Path, read: list[str], later: None
) -> None:
    changed_files(folder, DIGESTS)
    note = folder / CHECKED
    note.write_bytes(note.read_bytes()[:40] if written is None else written)
    for expected in (sorted(CONTENT), []):
        read.clear()
        assert changed_files(folder, DIGESTS) == []
        assert sorted(read) == expected


def test_a_folder_where_nothing_can_be_written_is_read_each_time(
    folder: Path, read: list[str], later: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object, **options: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("raqo.files.os.replace", refuse)
    for _ in range(2):
        read.clear()
        assert changed_files(folder, DIGESTS) == []
        assert sorted(read) == sorted(CONTENT)
    assert sorted(path.name for path in folder.iterdir()) == sorted(CONTENT)


def test_a_folder_that_is_deleted_meanwhile_does_not_come_back(
    folder: Path, later: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = checked_files.file_digest

    def last(path: Path) -> str:
        found = digest(path)
        if path.name == "b.bin":
            shutil.rmtree(folder)
        return found

    monkeypatch.setattr(checked_files, "file_digest", last)
    assert changed_files(folder, DIGESTS) == []
    assert not folder.exists()


def test_an_index_is_read_whole_once_and_its_damage_is_found_after(
    tmp_path: Path, read: list[str], later: None
) -> None:
    index = tmp_path / "index"
    identity = IndexIdentity(model="m", weights="w", gallery="g")
    vectors = np.eye(5, 8, dtype=np.float32)
    write_index(index, identity, doc_ids=list("abcde"), save=lambda at: np.save(at / EMBEDDINGS, vectors))
    assert DenseIndex.open(index).doc_ids == tuple("abcde")
    assert sorted(read) == ["doc_ids.json", EMBEDDINGS]
    read.clear()
    assert DenseIndex.open(index).doc_ids == tuple("abcde")
    assert read == []
    tick(index / EMBEDDINGS)
    with open(index / EMBEDDINGS, "r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"\x07")
    with pytest.raises(DataError, match=r"embeddings\.npy is truncated or was changed"):
        read_manifest(index)
    write_index(index, identity, doc_ids=list("abcde"), save=lambda at: np.save(at / EMBEDDINGS, vectors))
    assert not (index / CHECKED).exists(), "a new index has no memory of the old one"
    assert read_manifest(index).identity == identity
