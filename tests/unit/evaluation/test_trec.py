from urllib.parse import unquote

import ir_measures
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raqo.errors import DataError, RunFolderError
from raqo.evaluation.trec import read_run, write_qrels, write_run
from raqo.records import Hit, Ranking

names = st.text(st.characters(codec="utf-8", exclude_categories=["Z", "C"]), min_size=1, max_size=6)
hit_lists = st.dictionaries(names, st.floats(-1e6, 1e6, width=32), max_size=6)


@given(st.dictionaries(names, hit_lists.filter(bool), max_size=4))
def test_a_run_reads_back_as_it_was(tmp_path_factory, found):
    path = tmp_path_factory.mktemp("run") / "raw.trec"
    rankings = [
        Ranking(query, tuple(Hit(doc, score) for doc, score in sorted(hits.items(), key=lambda item: -item[1])))
        for query, hits in found.items()
    ]
    write_run(path, rankings, tag="raw")
    assert read_run(path) == rankings


def test_ir_measures_reads_our_files(tmp_path):
    write_run(tmp_path / "run", [Ranking("q1", (Hit("a", 2.0), Hit("b", 1.0)))], tag="raqo")
    write_qrels(tmp_path / "qrels", {"q1": ("b",)})
    qrels, run = ir_measures.read_trec_qrels(str(tmp_path / "qrels")), ir_measures.read_trec_run(str(tmp_path / "run"))
    assert ir_measures.calc_aggregate([ir_measures.RR], qrels, run) == {ir_measures.RR: 0.5}
    assert (tmp_path / "run").read_text() == "q1 Q0 a 1 2.0 raqo\nq1 Q0 b 2 1.0 raqo\n"


@pytest.mark.parametrize(
    ("name", "written"),
    [("my photo 1.jpg", "my%20photo%201.jpg"), ("a\tb", "a%09b"), ("50% a", "50%25%20a"), ("50%.jpg", "50%.jpg")],
)
def test_file_names_with_blanks_are_written_so_that_tools_read_them(tmp_path, name, written):
    write_run(tmp_path / "run", [Ranking(f"{name}#0", (Hit(name, 2.0), Hit("b", 1.0)))], tag="t")
    write_qrels(tmp_path / "qrels", {f"{name}#0": (name,)})
    assert (tmp_path / "qrels").read_text() == f"{written}#0 0 {written} 1\n"
    qrels, run = ir_measures.read_trec_qrels(str(tmp_path / "qrels")), ir_measures.read_trec_run(str(tmp_path / "run"))
    assert ir_measures.calc_aggregate([ir_measures.RR], qrels, run) == {ir_measures.RR: 1.0}


@given(st.text(min_size=1, max_size=8))
def test_no_white_space_of_an_id_is_left_and_it_can_be_had_back(tmp_path_factory, name):
    path = tmp_path_factory.mktemp("qrels") / "qrels"
    spaced = f"{name} "
    if not any("\ud800" <= letter <= "\udfff" for letter in name):
        write_qrels(path, {spaced: ("d",)})
        query_id, *rest = path.read_text(encoding="utf-8").split(" ")
        assert rest == ["0", "d", "1\n"]
        assert query_id.split() == [query_id]
        assert unquote(query_id) == spaced


def test_empty_ids_are_refused_and_nothing_is_written(tmp_path):
    for write in (
        lambda path: write_run(path, [Ranking("q", (Hit("", 1.0),))], tag="t"),
        lambda path: write_run(path, [], tag=""),
        lambda path: write_qrels(path, {"": ("a",)}),
    ):
        with pytest.raises(DataError, match="is empty"):
            write(tmp_path / "file")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("q Q0 a 1 2.0", "6 fields"),
        ("q Q0 a one 2.0 t", "no number"),
        ("q Q0 a 1 nan t", "finite"),
        ("q Q0 a 1 2.0 t\nq Q0 a 2 1.0 t", "twice"),
    ],
)
def test_a_bad_line_is_named(tmp_path, line, problem):
    path = tmp_path / "run"
    path.write_text(f"\n{line}\n")
    with pytest.raises(DataError, match=rf"run:[23]: .*{problem}"):
        read_run(path)


def test_a_file_in_the_way_is_one_clear_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RunFolderError, match="cannot be written"):
        write_run(tmp_path / "file" / "run", [], tag="t")
