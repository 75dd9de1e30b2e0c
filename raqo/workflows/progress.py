"""Progress bars on stderr, with rate and remaining time; results go to stdout."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def bar(label: str, total: int | None, unit: str) -> Iterator[Any]:
    """A tqdm bar, or a count where there is no total; where stderr is not a terminal, silent but for its last state."""
    from tqdm import tqdm

    interval = 0.2 if sys.stderr.isatty() else 30.0
    with tqdm(desc=f"{label:<12}", total=total, unit=f" {unit}", mininterval=interval, dynamic_ncols=True) as shown:
        yield shown


def set_to(shown: Any) -> Callable[[int, int], None]:
    """A callback (done, total) that moves a bar."""

    def move(done: int, total: int) -> None:
        shown.total = total
        shown.update(done - shown.n)

    return move


def say(text: str) -> None:
    """One line for the user, on stderr, beside the bars."""
    print(text, file=sys.stderr, flush=True)
