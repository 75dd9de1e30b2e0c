"""Texts on disk: what was put in comes out, and what is damaged is said."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raqo.errors import DataError, RunFolderError
from raqo.retrievers.bm25 import mapped_texts
from raqo.retrievers.bm25.mapped_texts import LETTERS, RECORD, SPANS, MappedTexts, TextWriter, texts_folder

TEXTS = {"c": "a red boat", "a": "ein Haus mit Überdachung", "b": "", "ü": "犬 und 🐈", "B": "a red boat"}


def save(folder: Path, texts: dict[str, str]) -> MappedTexts:
    with TemporaryDirectory(dir=folder) as unsorted:
        writer = TextWriter(Path(unsorted))
        for doc_id, text in texts.items():
            writer.add(doc_id, text)
        ids = list(texts)
        order = sorted(range(len(ids)), key=ids.__getitem__)
        writer.save(texts_folder("0123456789abcdef0123", folder), [ids[at] for at in order], order)
    return MappedTexts(texts_folder("0123456789abcdef0123", folder))


@given(st.dictionaries(st.text(st.characters(), max_size=4), st.text(st.characters(), max_size=30), min_size=1))
def test_a_mapping_of_the_texts_in_the_order_of_their_ids(texts: dict[str, str]) -> None:
    texts |= {"boat": "a boat"}
    with TemporaryDirectory() as folder:
        stored = save(Path(folder), texts)
        assert dict(stored.items()) == texts == dict(stored)
        assert list(stored) == list(stored.ids) == sorted(texts)
        assert list(stored.values()) == [texts[doc_id] for doc_id in sorted(texts)]
        assert len(stored) == len(texts)
        assert all(doc_id in stored for doc_id in texts)
        assert "nowhere to be found" not in stored
        assert 7 not in stored
        with pytest.raises(KeyError, match="nowhere"):
            stored["nowhere to be found"]


def test_nothing_but_the_folder_is_left_and_what_was_there_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mapped_texts, "BUFFER", 3)
    old = save(tmp_path, TEXTS)
    new = save(tmp_path, {"a": "else"})
    assert [path.name for path in tmp_path.iterdir()] == ["texts-0123456789abcdef"]
    assert dict(new) == {"a": "else"}
    assert dict(old) == TEXTS, "who has them open goes on reading them"


def _cut(name: str) -> Callable[[Path], None]:
    def cut(folder: Path) -> None:
        path = folder / name
        path.write_bytes(path.read_bytes()[:-5])

    return cut


def _claim(**values: int) -> Callable[[Path], None]:
    def claim(folder: Path) -> None:
        record = json.loads((folder / RECORD).read_text())
        (folder / RECORD).write_text(json.dumps(record | values))

    return claim


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda folder: (folder / LETTERS).unlink(), f"there is no {LETTERS}"),
        (lambda folder: (folder / RECORD).unlink(), f"there is no {RECORD}"),
        (lambda folder: (folder / SPANS).write_bytes(b""), "not a whole index"),
        (lambda folder: (folder / LETTERS).write_bytes(b""), "not a whole index"),
        (lambda folder: np.save(folder / SPANS, np.zeros((2, 3), dtype=np.int64)), "instead of"),
        (_cut(LETTERS), "instead of"),
        (_cut(SPANS), "not a whole index"),
        (_cut("ids.ends.npy"), "not a whole index"),
        (_cut(RECORD), "not a whole index"),
        (_claim(format=2), "instead of"),
        (_claim(count=4), "instead of"),
    ],
)
def test_texts_that_are_not_whole_are_not_opened(damage: Callable[[Path], object], said: str, tmp_path: Path) -> None:
    folder = texts_folder("0123456789abcdef", tmp_path)
    save(tmp_path, TEXTS)
    damage(folder)
    with pytest.raises(DataError, match=f"texts-.*{said}.*build the index again"):
        MappedTexts(folder)


def test_a_changed_text_is_said_when_it_is_read(tmp_path: Path) -> None:
    save(tmp_path, TEXTS)
    letters = texts_folder("0123456789abcdef", tmp_path) / LETTERS
    letters.write_bytes(letters.read_bytes().replace(b"Haus", b"haus"))
    stored = MappedTexts(letters.parent)
    assert stored["c"] == "a red boat"
    with pytest.raises(DataError, match="was changed"):
        stored["a"]


def test_changed_ids_are_said_when_one_is_read(tmp_path: Path) -> None:
    save(tmp_path, TEXTS)
    letters = texts_folder("0123456789abcdef", tmp_path) / "ids.letters.npy"
    letters.write_bytes(letters.read_bytes()[:-1] + b"\xff")
    with pytest.raises(DataError, match="was changed"):
        list(MappedTexts(letters.parent).values())
    with pytest.raises(DataError, match="was changed"):
        MappedTexts(letters.parent)["ü"]


def test_the_same_text_under_another_id_is_another_text(tmp_path: Path) -> None:
    save(tmp_path, {"a": "boat", "b": "boat"})
    letters = texts_folder("0123456789abcdef", tmp_path) / "ids.letters.npy"
    letters.write_bytes(letters.read_bytes()[:-1] + b"c")
    stored = MappedTexts(letters.parent)
    assert stored["a"] == "boat"
    with pytest.raises(DataError, match="was changed"):
        stored["c"]


def test_a_disk_that_cannot_be_written(tmp_path: Path) -> None:
    writer = TextWriter(tmp_path)
    writer.add("a", "boat")
    with pytest.raises(RunFolderError, match="cannot be written"):
        writer.save(tmp_path / "none" / "texts", ["a"], [0])
