"""Which failed calls are made again, and after how long. Pure functions."""

from __future__ import annotations

import math
import random
import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum, auto

from raqo.records import FailureKind

_FIRST_PAUSE_S = 0.5
_SECONDS = re.compile(r"\s*\d{1,9}(\.\d{1,9})?\s*", re.ASCII)


class Handling(Enum):
    """What is done about a failed call: made again, given up for this request, or the whole run stopped."""

    RETRY = auto()
    GIVE_UP = auto()
    STOP = auto()


def judge(status: int) -> tuple[Handling, FailureKind]:
    """Judge an HTTP status that is no success.

    408, 409, 429 and 5xx are tried again. A redirect, 401, 402, 403, 404, 405 and 407 mean that address, key, account
    or model are wrong, so no other call can succeed either. Every other status is about this one request.
    """
    if status == 429:
        return Handling.RETRY, FailureKind.RATE_LIMIT
    if status == 408:
        return Handling.RETRY, FailureKind.TIMEOUT
    if status == 409 or status >= 500:
        return Handling.RETRY, FailureKind.SERVER
    if status < 400 or status in (401, 402, 403, 404, 405, 407):
        return Handling.STOP, FailureKind.SERVER
    return Handling.GIVE_UP, FailureKind.SERVER


def overloads(kind: FailureKind, status: int | None) -> bool:
    """Whether a failure says that the server cannot keep up: 429, 503, 529 and timeouts."""
    return kind in (FailureKind.RATE_LIMIT, FailureKind.TIMEOUT) or status in (503, 529)


def pause(attempt: int, *, retry_after: float | None, max_wait: float, rng: random.Random) -> float:
    """Seconds before the next attempt: exponential with full jitter, or what the server asks for and a little more.

    Args:
        attempt: attempts made so far, from 1.
        retry_after: seconds the server asks for.
        max_wait: the longest pause, whatever the server asks for.
        rng: the jitter, so that calls refused together do not come back together.
    """
    if retry_after is not None:
        return min(max_wait, retry_after + rng.uniform(0.0, _FIRST_PAUSE_S))
    return rng.uniform(0.0, min(max_wait, _FIRST_PAUSE_S * 2 ** min(attempt - 1, 30)))


def parse_retry_after(value: str | None, *, now: datetime | None = None) -> float | None:
    """Seconds of a Retry-After header, given in seconds or as an HTTP date; `None` for none or anything else."""
    if value is None:
        return None
    if _SECONDS.fullmatch(value):
        return float(value)
    try:
        date = parsedate_to_datetime(value)
        date = date if date.tzinfo else date.replace(tzinfo=UTC)
        seconds = (date - (now or datetime.now(UTC))).total_seconds()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    return max(0.0, seconds) if math.isfinite(seconds) else None
