"""Lines of JSON in files that are plain, gzipped, cut off, or made to fill the memory."""

import gzip
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from raqo.errors import DataError
from raqo.preference_data.sources import files
from raqo.preference_data.sources.files import read_json, read_jsonl
from raqo.preference_data.sources.problems import Problems

ROWS = [{"id": "1", "text": "one"}, {"id": "2", "text": "zwei \u00e4"}, {"id": "3", "text": "three"}]
LINES = [json.dumps(row, ensure_ascii=False).encode() for row in ROWS]


def read(path, on_error="fail"):
    problems = Problems(on_error)
    return [row for _, row in read_jsonl(path, problems)], problems


def test_an_archive_gives_the_rows_and_places_of_the_plain_file(tmp_path):
    content = b"\n".join([LINES[0], b"", LINES[1], LINES[2]])
    (tmp_path / "a.jsonl").write_bytes(content)
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(content))
    found = [list(read_jsonl(tmp_path / name, Problems("fail"))) for name in ("a.jsonl", "a.jsonl.gz")]
    assert [row for _, row in found[0]] == ROWS
    assert [(where.replace(".gz", ""), row) for where, row in found[1]] == found[0]
    assert found[1][1][0] == f"{tmp_path}/a.jsonl.gz:3"


def test_bad_lines_of_an_archive_are_named_or_counted(tmp_path):
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(b"\n".join([LINES[0], b"{", b'"caf\xe9"', b"[1]", b"9" * 5000, LINES[2]])))
    with pytest.raises(DataError, match=r"a.jsonl.gz:2: not valid JSON"):
        read(path)
    rows, problems = read(path, "skip")
    assert rows == [ROWS[0], ROWS[2]]
    assert problems.counts == {"malformed entry": 3, "not UTF-8": 1}


def test_a_stream_is_read_no_further_than_asked(tmp_path):
    path = tmp_path / "a.jsonl.gz"
    whole = gzip.compress(b"\n".join(LINES * 20_000))
    path.write_bytes(whole[: len(whole) // 2])
    rows = read_jsonl(path, Problems("fail"))
    assert next(rows)[1] == ROWS[0]
    with pytest.raises(DataError, match=r"a.jsonl.gz: the archive is damaged \(.*\); fetch it again"):
        list(rows)


@pytest.mark.parametrize("on_error", ["fail", "skip"])
def test_what_is_no_archive_or_has_changed_is_one_error_never_skipped(tmp_path, on_error):
    path = tmp_path / "a.jsonl.gz"
    whole = bytearray(gzip.compress(b"\n".join(LINES)))
    whole[-6] ^= 1
    for content in (b"plain text", bytes(whole), b"\x1f\x8b" + b"\0" * 30):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"a.jsonl.gz: the archive is damaged"):
            read(path, on_error)


def test_a_line_that_would_fill_the_memory_is_passed_over(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "MAX_LINE", 1000)
    path = tmp_path / "bomb.jsonl.gz"
    path.write_bytes(gzip.compress(b"\n".join([LINES[0], b" " * 5_000_000, LINES[1], b"x" * 1001])))
    with pytest.raises(DataError, match=r"bomb.jsonl.gz:2: more than 1,000 bytes in one line; split the entry"):
        read(path)
    rows, problems = read(path, "skip")
    assert rows == ROWS[:2]
    assert problems.counts == {"malformed entry": 2}
    exact = json.dumps({"a": "b" * (1000 - len('{"a": ""}'))}).encode()
    (tmp_path / "exact.jsonl").write_bytes(exact + b"\n" + exact)
    assert len(exact) == 1000
    assert len(read(tmp_path / "exact.jsonl")[0]) == 2


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None, max_examples=80
)
@given(content=st.binary(max_size=200), packed=st.booleans())
def test_any_bytes_give_rows_or_a_data_error(tmp_path, content, packed):
    path = tmp_path / "any.jsonl.gz"
    path.write_bytes(gzip.compress(LINES[0] + b"\n" + content) if packed else content)
    if packed:
        rows, _ = read(path, "skip")
        assert rows[0] == ROWS[0]
        assert all(isinstance(row, dict) for row in rows)
    elif content:
        with pytest.raises(DataError, match=r"any.jsonl.gz"):
            read(path, "skip")


def test_a_number_of_thousands_of_digits_is_a_data_error(tmp_path):
    (tmp_path / "a.json").write_text("[" + "9" * 5000 + "]")
    with pytest.raises(DataError, match=r"a.json: JSON that cannot be read"):
        read_json(tmp_path / "a.json")
