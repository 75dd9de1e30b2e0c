"""Progress bars on stderr, with rate and remaining time; results go to stdout."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any


@contextmanager
def bar(label: str, total: int | None, unit: str, *, done: int = 0) -> Iterator[Any]:
    """A tqdm bar, or a count where there is no total; where stderr is not a terminal, it is renewed twice a minute.

    Args:
        label: what is done.
        total: how much of it.
        unit: of what.
        done: so much was done before; it does not count for the rate.
    """
    from tqdm import tqdm

    interval = 0.2 if sys.stderr.isatty() else 30.0
    with tqdm(
        desc=f"{label:<12}", total=total, initial=done, unit=f" {unit}", mininterval=interval, dynamic_ncols=True
    ) as shown:
        yield shown


@contextmanager
def late_bar(label: str, unit: str) -> Iterator[Callable[[int, int], None]]:
    """A callback (done, total) that moves a bar, which is shown from the first call on.

    What was done before that call's last one does not count for the rate.
    """
    with ExitStack() as stack:
        shown: Any = None

        def move(done: int, total: int) -> None:
            nonlocal shown
            if shown is None:
                shown = stack.enter_context(bar(label, total, unit, done=max(0, done - 1)))
            shown.update(done - shown.n)

        yield move


def say(text: str) -> None:
    """One line for the user, on stderr, beside the bars."""
    from tqdm import tqdm

    tqdm.write(text, file=sys.stderr)
    sys.stderr.flush()
