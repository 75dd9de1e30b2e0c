from __future__ import annotations

import pytest

from raqo.errors import FailureRateError
from raqo.graphs.failure_rate import MIN_ANSWERS, FailureRate
from raqo.records import Failure, FailureKind

REFUSED = Failure(FailureKind.REFUSED, "will not", round=0)


def test_the_error_says_what_failed_how_often_and_why() -> None:
    rate = FailureRate(0.5, work="describing pictures")
    rate.add(["fine"] * (MIN_ANSWERS // 2))
    rate.add([REFUSED] * (MIN_ANSWERS // 2))
    with pytest.raises(FailureRateError) as caught:
        rate.add([REFUSED])
    said = str(caught.value)
    assert said.startswith("describing pictures: 26 of 51 answers failed (51%, mining.max_failure_rate is 0.5)")
    assert "26 refused, such as 'will not'" in said


def test_few_answers_are_no_rate() -> None:
    rate = FailureRate(0.0, work="mining")
    rate.add([REFUSED] * (MIN_ANSWERS - 1))
    with pytest.raises(FailureRateError, match=r"^mining: 50 of 50"):
        rate.add([REFUSED])
