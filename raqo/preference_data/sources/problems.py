"""What was wrong with a source: one error (``fail``), or counted and logged (``skip``)."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from raqo.errors import DataError, message
from raqo.records import OnError

logger = logging.getLogger(__name__)
EXAMPLES = 3


class Reason(StrEnum):
    """Why an entry cannot be used."""

    MALFORMED = "malformed entry"
    ENCODING = "not UTF-8"
    EMPTY = "empty text"
    DUPLICATE = "duplicate id"
    MISSING_IMAGE = "missing image"
    OUTSIDE = "image outside the image folder"
    NO_TARGET = "query without target"


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What was loaded and what was left out.

    Attributes:
        skipped: reason -> number of entries left out.
        examples: reason -> the first few of them, as full messages.
    """

    documents: int
    queries: int
    skipped: Mapping[str, int]
    examples: Mapping[str, tuple[str, ...]]


class Problems:
    """Collects bad entries, or raises at the first one."""

    def __init__(self, on_error: OnError) -> None:
        self._fail = on_error == "fail"
        self.counts: dict[str, int] = {}
        self.examples: dict[str, tuple[str, ...]] = {}

    def add(self, reason: Reason, where: str, problem: str, fix: str) -> None:
        """Note one bad entry.

        Raises:
            DataError: with ``on_error: fail``.
        """
        if self._fail:
            raise DataError(message(where, problem, f"{fix}, or set on_error: skip"))
        text = message(where, problem, fix)
        self.counts[reason.value] = self.counts.get(reason.value, 0) + 1
        shown = self.examples.get(reason.value, ())
        if len(shown) < EXAMPLES:
            self.examples[reason.value] = (*shown, text)

    def report(self, *, documents: int, queries: int) -> LoadReport:
        """Sum up, and log one line per reason."""
        for reason, count in self.counts.items():
            logger.warning("skipped %d entries: %s; first: %s", count, reason, self.examples[reason][0])
        return LoadReport(documents, queries, dict(self.counts), dict(self.examples))
