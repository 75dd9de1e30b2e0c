from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raqo.agents.chat.retrying import Handling, judge, overloads, parse_retry_after, pause
from raqo.records import FailureKind

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("status", "handling", "kind"),
    [
        (429, Handling.RETRY, FailureKind.RATE_LIMIT),
        (408, Handling.RETRY, FailureKind.TIMEOUT),
        (409, Handling.RETRY, FailureKind.SERVER),
        (500, Handling.RETRY, FailureKind.SERVER),
        (503, Handling.RETRY, FailureKind.SERVER),
        (400, Handling.GIVE_UP, FailureKind.SERVER),
        (413, Handling.GIVE_UP, FailureKind.SERVER),
        (422, Handling.GIVE_UP, FailureKind.SERVER),
        (308, Handling.STOP, FailureKind.SERVER),
        (401, Handling.STOP, FailureKind.SERVER),
        (404, Handling.STOP, FailureKind.SERVER),
    ],
)
def test_what_a_status_means(status: int, handling: Handling, kind: FailureKind) -> None:
    assert judge(status) == (handling, kind)


def test_what_counts_as_overload() -> None:
    assert overloads(FailureKind.RATE_LIMIT, 429)
    assert overloads(FailureKind.TIMEOUT, None)
    assert overloads(FailureKind.SERVER, 503)
    assert not overloads(FailureKind.SERVER, 500)
    assert not overloads(FailureKind.TRANSPORT, None)


@given(
    attempt=st.integers(1, 5000),
    retry_after=st.none() | st.floats(0, 1e9),
    max_wait=st.floats(0, 1e6),
    seed=st.integers(),
)
def test_a_pause_obeys_the_server_up_to_the_limit(
    attempt: int, retry_after: float | None, max_wait: float, seed: int
) -> None:
    seconds = pause(attempt, retry_after=retry_after, max_wait=max_wait, rng=random.Random(seed))
    assert 0 <= seconds <= max_wait
    if retry_after is not None:
        assert seconds >= min(retry_after, max_wait)


def test_pauses_grow_and_are_spread() -> None:
    rng = random.Random(0)
    means = []
    for attempt in (1, 2, 3, 4):
        drawn = [pause(attempt, retry_after=None, max_wait=60, rng=rng) for _ in range(400)]
        assert max(drawn) - min(drawn) > 0.9 * 0.5 * 2 ** (attempt - 1)
        means.append(sum(drawn) / len(drawn))
    assert all(1.7 < later / earlier < 2.3 for earlier, later in pairwise(means))


def test_calls_refused_together_do_not_come_back_together() -> None:
    rng = random.Random(0)
    pauses = {pause(1, retry_after=2, max_wait=60, rng=rng) for _ in range(50)}
    assert len(pauses) == 50


@given(st.integers(0, 10**8))
def test_retry_after_in_seconds(seconds: int) -> None:
    assert parse_retry_after(str(seconds)) == seconds


@given(st.integers(-(10**7), 10**7))
def test_retry_after_as_a_date(seconds: int) -> None:
    header = format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)
    assert parse_retry_after(header, now=NOW) == max(0, seconds)


@given(st.text() | st.sampled_from(["-1", "nan", "inf", "1e3", "", "٣", "Mon, 99 Foo 2026 00:00:00 GMT"]))
def test_retry_after_of_any_text_is_no_error(header: str) -> None:
    seconds = parse_retry_after(header)
    assert seconds is None or seconds >= 0


def test_no_retry_after() -> None:
    assert parse_retry_after(None) is None
    assert [parse_retry_after(text) for text in ("-1", "nan", "inf", "soon")] == [None] * 4
