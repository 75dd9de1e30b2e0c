"""What paid calls have cost, on disk before each call leaves: the budget holds even after kill -9."""

from __future__ import annotations

import json
import math
import os
import threading
from decimal import ROUND_CEILING, Decimal
from pathlib import Path
from typing import BinaryIO

from raqo.errors import BudgetError, DataError, RunFolderError, message
from raqo.files import open_locked

_NANO = 10**9


class Ledger:
    """Spending as whole billionths, so that sums are exact, in a file of one JSON object per line.

    A call reserves the most it can cost before it is sent, and settles what it did cost. The reservation is written
    before `reserve` returns: a call whose process was killed counts in full ever after, for it may have been paid.
    Amounts are in any one unit (dollars, tokens) and are rounded up. Several threads may share a ledger.
    """

    def __init__(self, path: Path | None, *, budget: float | None) -> None:
        """Open a ledger and add up what earlier processes wrote; a torn last line is cut off.

        Args:
            path: the file, made where missing; ``None`` keeps the ledger in memory.
            budget: the most that may be spent, earlier processes included; ``None`` for no limit.

        Raises:
            DataError: a line of the file is no entry of a ledger, or the budget is no amount.
            RunFolderError: the file cannot be opened, or another process has it open.
        """
        self._budget = None if budget is None else _nanos(budget, "budget")
        self._open: dict[int, int] = {}
        self._total = 0
        self._next = 0
        self._lock = threading.Lock()
        self._file = None if path is None else open_locked(path)
        if self._file is not None:
            self._replay(self._file)

    @property
    def spent(self) -> float:
        """What is settled and what is still reserved."""
        return self._total / _NANO

    @property
    def budget(self) -> float | None:
        """The most that may be spent."""
        return None if self._budget is None else self._budget / _NANO

    def reserve(self, amount: float) -> int:
        """Write down that a call may cost `amount`, and give the number to settle it by.

        Raises:
            BudgetError: the budget would be passed; nothing was reserved.
            RunFolderError: the file cannot be written; nothing was reserved.
        """
        nanos = _nanos(amount, "reservation")
        with self._lock:
            if self._budget is not None and self._total + nanos > self._budget:
                raise BudgetError(_refusal(self._total, self._budget, nanos))
            number = self._next
            self._append(number, reserved=nanos)
            self._count(number, reserved=nanos)
        return number

    def settle(self, reservation: int, amount: float) -> None:
        """Write down what a reserved call did cost; more than was reserved counts too, and blocks later calls.

        Raises:
            DataError: there is no such open reservation.
            RunFolderError: the file cannot be written; the reservation stays open.
        """
        nanos = _nanos(amount, "settlement")
        with self._lock:
            if reservation not in self._open:
                problem = f"no open reservation {reservation}"
                raise DataError(message("ledger", problem, "settle every reservation once"))
            self._append(reservation, settled=nanos)
            self._count(reservation, settled=nanos)

    def close(self) -> None:
        """Let another process have the file; reservations that are open keep counting there."""
        if self._file is not None:
            self._file.close()

    def _count(self, number: int, *, reserved: int = 0, settled: int | None = None) -> None:
        if settled is not None:
            self._total += settled - self._open.pop(number)
            return
        self._open[number] = reserved
        self._total += reserved
        self._next = number + 1

    def _replay(self, file: BinaryIO) -> None:
        file.seek(0)
        content = file.read()
        whole = content[: content.rfind(b"\n") + 1]
        file.truncate(len(whole))
        for line_number, line in enumerate(whole.splitlines(), start=1):
            try:
                entry = json.loads(line)
                self._count(entry.pop("call"), **entry)
            except (ValueError, LookupError, TypeError, AttributeError):
                file.close()
                where, problem = f"{file.name}:{line_number}", "not an entry of a ledger"
                raise DataError(message(where, problem, "restore the file, or start a new run folder")) from None

    def _append(self, number: int, **entry: int) -> None:
        if self._file is None:
            return
        line = json.dumps({"call": number, **entry}).encode() + b"\n"
        before = os.fstat(self._file.fileno()).st_size
        try:
            if self._file.write(line) != len(line):
                raise OSError("the disk is full")
        except OSError as error:
            self._file.truncate(before)
            problem = f"cannot be written ({error})"
            raise RunFolderError(message(self._file.name, problem, "make room and resume")) from error


def _nanos(amount: float, what: str) -> int:
    if not (math.isfinite(amount) and amount >= 0):
        raise DataError(message("ledger", f"a {what} of {amount}", "give a number of at least 0"))
    return int((Decimal(str(amount)) * _NANO).to_integral_value(ROUND_CEILING))


def _refusal(total: int, budget: int, wanted: int) -> str:
    spent, limit, more = (f"{nanos / _NANO:.6g}" for nanos in (total, budget, wanted))
    problem = f"{spent} of {limit} is spent or reserved, and the next call may cost {more}"
    return message("budget", problem, "resume with a larger --budget; what was paid for is kept")
