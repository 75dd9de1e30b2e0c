"""One root, a few kinds, one message form: *where · expected · got · do this*."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class RaqoError(Exception):
    """Root of every error raised on purpose; its text is meant for the user, without a traceback."""


class ConfigError(RaqoError, ValueError):
    """A configuration value, key or command-line argument is wrong."""


class DataError(RaqoError, ValueError):
    """An input file or record is wrong."""


class FingerprintError(RaqoError):
    """Data made with one retriever was about to be used with another."""


class RunFolderError(RaqoError, OSError):
    """A run folder cannot be created, read or written."""


class MissingExtraError(RaqoError, ImportError):
    """An optional dependency is needed and not installed."""


class BudgetError(RaqoError):
    """The next paid call would pass the budget; everything paid for is kept."""


class FailureRateError(RaqoError):
    """More answers failed than a run may have; what was finished is kept."""


class StoppedError(RaqoError):
    """The user asked to stop; calls on their way were finished and kept."""


def message(where: str, problem: str, fix: str) -> str:
    """Join the parts of an error: ``pairs.jsonl:412: 3 rewards for 5 candidates; give one reward per candidate.``."""
    return f"{where}: {problem}; {fix.rstrip('.')}."


def nearest(name: str, allowed: Iterable[str]) -> str:
    """Return `` (did you mean 'x'?)`` for the closest allowed name, or an empty string."""
    close = difflib.get_close_matches(name, list(allowed), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""
