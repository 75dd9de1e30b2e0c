from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raqo.agents.corpus_words import CorpusWords, count_words, kept_words

CORPUS = ["The boat, the Boat", "a boat", "..."]
COUNTED = CorpusWords({"the": 2, "boat": 3, "a": 1}, {"the": 1, "boat": 2, "a": 1}, 3)


def unread() -> Iterator[str]:
    raise AssertionError("the corpus is read")
    yield ""


def test_words_are_counted_by_occurrence_and_by_document() -> None:
    assert count_words(iter(CORPUS)) == COUNTED
    assert count_words([]) == CorpusWords({}, {}, 0)


def test_the_words_of_a_corpus_are_counted_once(tmp_path: Path) -> None:
    path = tmp_path / "words.json"
    assert kept_words(path, CORPUS, fingerprint="one") == COUNTED
    assert kept_words(path, unread(), fingerprint="one") == COUNTED
    assert kept_words(path, ["boat"], fingerprint="two") == CorpusWords({"boat": 1}, {"boat": 1}, 1)
    assert kept_words(path, unread(), fingerprint="two").size == 1


def test_words_that_another_version_split_are_counted_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "words.json"
    kept_words(path, ["boat"], fingerprint="one")
    monkeypatch.setattr("raqo.agents.corpus_words.__version__", "another")
    assert kept_words(path, CORPUS, fingerprint="one") == COUNTED


@pytest.mark.parametrize("part", ["", "[]", "null", "forms", "documents", "size"])
def test_a_broken_file_is_replaced(part: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "words.json"
    kept_words(path, CORPUS, fingerprint="one")
    record = json.loads(path.read_text())
    if part in record:
        del record[part]
        part = json.dumps(record)
    path.write_text(part)
    assert kept_words(path, CORPUS, fingerprint="one") == COUNTED
    assert "words.json cannot be read" in caplog.text
    assert kept_words(path, unread(), fingerprint="one") == COUNTED


def test_a_folder_that_cannot_be_written_keeps_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert kept_words(tmp_path / "file" / "words.json", CORPUS, fingerprint="one") == COUNTED


@given(st.lists(st.text(), max_size=9))
def test_any_words_are_kept_as_they_are(tmp_path_factory: pytest.TempPathFactory, corpus: list[str]) -> None:
    path = tmp_path_factory.mktemp("words") / "words.json"
    assert kept_words(path, corpus, fingerprint="") == kept_words(path, unread(), fingerprint="") == count_words(corpus)
