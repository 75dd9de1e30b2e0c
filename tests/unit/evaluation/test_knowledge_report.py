import numpy as np
import pytest

from raqo.evaluation.knowledge_report import format_rows, row
from raqo.evaluation.pseudo_relevance import PseudoRelevance

MODE = PseudoRelevance()


def measured(*hits):
    values = np.array(hits, dtype=np.float64)
    return {
        f"r@5[{MODE.label}]": values,
        f"p@5[{MODE.label}]": values / 5,
        f"mrr@5[{MODE.label}]": values / 2,
    }


def test_a_row_counts_whom_a_system_helps_and_harms():
    found = row("loop", measured(1, 1, 0, 1), measured(0, 1, 1, 0), MODE)
    assert (found.n, found.hit, found.precision, found.mrr) == (4, 0.75, pytest.approx(0.15), 0.375)
    assert (found.helped, found.harmed) == (2, 1)
    assert found.p == 1.0, "two against one says nothing"
    assert found.as_json()["helped"] == 2


def test_a_system_against_itself_changes_nothing():
    found = row("raw", measured(1, 0), measured(1, 0), MODE)
    assert (found.helped, found.harmed, found.p) == (0, 0, 1.0)


def test_the_table_has_a_line_for_each_row():
    one = row("loop", measured(1, 1), measured(0, 0), MODE)
    title, heading, _, line = format_rows([one], title="sample").splitlines()
    assert title == "sample"
    assert heading.split() == ["hit@5", "P@5", "MRR@5", "helped", "harmed", "p"]
    assert line.split() == ["loop", "100.0", "20.0", "50.0", "2", "0", "0.500"]
