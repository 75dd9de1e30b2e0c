from __future__ import annotations

import itertools
import os
import random
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raqo.agents.chat.ledger import Ledger
from raqo.errors import BudgetError, DataError, RunFolderError

numbers = itertools.count()


def test_what_is_reserved_counts_until_it_is_settled() -> None:
    ledger = Ledger(None, budget=1.0)
    call = ledger.reserve(0.6)
    assert ledger.spent == 0.6
    with pytest.raises(
        BudgetError, match=r"0\.6 of 1 is spent or reserved.* may cost 0\.5; resume with a larger --bud"
    ):
        ledger.reserve(0.5)
    assert ledger.spent == 0.6
    ledger.settle(call, 0.25)
    assert ledger.spent == 0.25
    ledger.reserve(0.75)
    assert ledger.spent == ledger.budget == 1.0


def test_sums_are_exact() -> None:
    ledger = Ledger(None, budget=1.0)
    for _ in range(10):
        ledger.settle(ledger.reserve(0.1), 0.1)
    assert ledger.spent == 1.0
    with pytest.raises(BudgetError):
        ledger.reserve(1e-9)


def test_without_a_budget_spending_is_only_counted() -> None:
    ledger = Ledger(None, budget=None)
    ledger.settle(ledger.reserve(1e6), 2e6)
    assert (ledger.spent, ledger.budget) == (2e6, None)


def test_a_call_dearer_than_reserved_counts_in_full_and_blocks_the_next() -> None:
    ledger = Ledger(None, budget=1.0)
    ledger.settle(ledger.reserve(0.5), 1.5)
    assert ledger.spent == 1.5
    with pytest.raises(BudgetError):
        ledger.reserve(0.0)


def test_a_reservation_is_settled_once() -> None:
    ledger = Ledger(None, budget=1.0)
    call = ledger.reserve(0.5)
    ledger.settle(call, 0.5)
    for number in (call, call + 1):
        with pytest.raises(DataError, match=f"no open reservation {number}"):
            ledger.settle(number, 0.1)


@pytest.mark.parametrize("amount", [-0.1, float("nan"), float("inf")])
def test_amounts_are_finite_and_not_negative(amount: float) -> None:
    ledger = Ledger(None, budget=1.0)
    with pytest.raises(DataError, match="at least 0"):
        ledger.reserve(amount)
    with pytest.raises(DataError, match="at least 0"):
        Ledger(None, budget=amount)


def test_reopening_counts_open_reservations_in_full(tmp_path: Path) -> None:
    path = tmp_path / "run" / "ledger.jsonl"
    first = Ledger(path, budget=1.0)
    first.settle(first.reserve(0.3), 0.1)
    lost = first.reserve(0.2)
    first.close()
    second = Ledger(path, budget=1.0)
    assert second.spent == 0.3
    assert second.reserve(0.7) > lost
    with pytest.raises(BudgetError):
        second.reserve(0.1)
    second.close()
    assert Ledger(path, budget=None).spent == 1.0


@pytest.mark.parametrize("kept", range(1, 30))
def test_a_torn_last_line_is_ignored_and_the_file_goes_on(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "ledger.jsonl"
    first = Ledger(path, budget=None)
    first.reserve(0.5)
    whole = path.stat().st_size
    first.reserve(0.25)
    first.close()
    os.truncate(path, min(whole + kept, path.stat().st_size - 1))
    second = Ledger(path, budget=None)
    assert second.spent == 0.5
    second.reserve(0.125)
    second.close()
    assert Ledger(path, budget=None).spent == 0.625


@pytest.mark.parametrize(
    "line", ["nonsense", "[]", '{"call": 0}extra', '{"call": 7, "settled": 1}', '{"other": 1}', '{"call": 1, "x": 2}']
)
def test_a_broken_line_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "ledger.jsonl"
    path.write_text('{"call": 0, "reserved": 5}\n' + line + "\n")
    with pytest.raises(DataError, match=r"ledger.jsonl:2: not an entry of a ledger"):
        Ledger(path, budget=None)
    with pytest.raises(DataError):  # and the file is not left locked
        Ledger(path, budget=None)


def test_two_processes_cannot_spend_from_one_ledger(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    first = Ledger(path, budget=1.0)
    with pytest.raises(RunFolderError, match="another process"):
        Ledger(path, budget=1.0)
    first.close()
    Ledger(path, budget=1.0).close()


def test_a_folder_in_the_way_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="cannot be opened"):
        Ledger(tmp_path, budget=1.0)


costs = st.integers(0, 400).map(lambda cents: cents / 100)


@settings(max_examples=25, deadline=None)
@given(
    calls=st.lists(st.tuples(costs, st.floats(0, 1)), min_size=1, max_size=200),
    budget=costs,
    seed=st.integers(0, 2**32),
)
def test_64_threads_never_pass_the_budget(
    tmp_path_factory: pytest.TempPathFactory, calls: list[tuple[float, float]], budget: float, seed: int
) -> None:
    path = tmp_path_factory.getbasetemp() / f"ledger-{next(numbers)}.jsonl"
    ledger = Ledger(path, budget=budget)
    rng, seen = random.Random(seed), []
    work = [(cost, share, rng.random() < 0.8) for cost, share in calls]

    def call(one: tuple[float, float, bool]) -> Fraction:
        cost, share, settles = one
        try:
            number = ledger.reserve(cost)
        except BudgetError:
            return Fraction(0)
        seen.append(ledger.spent)
        if not settles:
            return Fraction(round(cost * 1e9), 10**9)
        paid = round(cost * share, 9)
        ledger.settle(number, paid)
        seen.append(ledger.spent)
        return Fraction(round(paid * 1e9), 10**9)

    with ThreadPoolExecutor(64) as pool:
        paid = list(pool.map(call, work))
    assert max(seen, default=0.0) <= budget
    assert ledger.spent == float(sum(paid))
    ledger.close()
    again = Ledger(path, budget=budget)
    assert again.spent == ledger.spent
    again.close()


def test_threads_that_compete_for_the_last_cent_get_it_once() -> None:
    ledger, start, got = Ledger(None, budget=0.01), threading.Barrier(64), []

    def grab() -> None:
        start.wait()
        try:
            got.append(ledger.reserve(0.01))
        except BudgetError:
            return

    threads = [threading.Thread(target=grab) for _ in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == [0]


CHILD = """
import sys
from pathlib import Path
from raqo.agents.chat.ledger import Ledger
ledger = Ledger(Path(sys.argv[1]), budget=None)
for _ in iter(int, 1):
    number = ledger.reserve(0.003)
    print("reserved", flush=True)  # here the call would leave
    ledger.settle(number, 0.001)
"""


def test_what_was_paid_before_kill_9_is_in_the_file(tmp_path: Path) -> None:
    path, sent = tmp_path / "ledger.jsonl", 0
    for lines in (1, 50, 211):
        with subprocess.Popen([sys.executable, "-c", CHILD, str(path)], stdout=subprocess.PIPE) as child:
            assert child.stdout is not None
            for _ in range(lines):
                child.stdout.readline()
            os.kill(child.pid, signal.SIGKILL)
            sent += lines + len(child.stdout.read().splitlines())
        ledger = Ledger(path, budget=None)
        # all but the last call of each process were settled; a reservation may not have been told yet
        spent = round(ledger.spent * 1000)  # whole calls: a sum of floats need not meet a product of them
        assert sent <= spent <= sent + 3 + 3 * 2
        ledger.close()
