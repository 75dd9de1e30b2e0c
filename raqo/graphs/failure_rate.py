"""When too many answers fail, a run stops: something is wrong with the server, and going on would only cost."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable

from raqo.errors import FailureRateError, message
from raqo.records import Failure

# So many answers are awaited before their rate is believed.
MIN_ANSWERS = 50
_SHOWN_CHARACTERS = 200


class FailureRate:
    """Counts the answers of a run, from several threads.

    Args:
        max_rate: share of failed answers above which `add` raises.
        work: what the answers are for; the error begins with it.
    """

    def __init__(self, max_rate: float, *, work: str) -> None:
        self._max_rate = max_rate
        self._work = work
        self._lock = threading.Lock()
        self._answers = 0
        self._kinds: Counter[str] = Counter()
        self._examples: dict[str, str] = {}

    def add(self, answers: Iterable[object]) -> None:
        """Count answers, some of which may be a `Failure`.

        Raises:
            FailureRateError: of all answers so far, too many have failed; with counts and an example by kind.
        """
        with self._lock:
            for answer in answers:
                self._answers += 1
                if isinstance(answer, Failure):
                    self._kinds[answer.kind.value] += 1
                    self._examples.setdefault(answer.kind.value, answer.message)
            failed = self._kinds.total()
            if self._answers >= MIN_ANSWERS and failed > self._max_rate * self._answers:
                raise self._error(failed)

    def _error(self, failed: int) -> FailureRateError:
        share = f"{failed / self._answers:.0%}"
        problem = f"{failed} of {self._answers} answers failed ({share}, mining.max_failure_rate is {self._max_rate})"
        kinds = "; ".join(
            f"{count} {kind}, such as {self._examples[kind][:_SHOWN_CHARACTERS]!r}"
            for kind, count in self._kinds.most_common()
        )
        return FailureRateError(message(self._work, f"{problem}: {kinds}", "see to the server and resume"))
