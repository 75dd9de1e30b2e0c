from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from raqo.agents.parsing import AnswerError, extract_object, parse_answer
from raqo.records import FailureKind

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
OBJECTS = st.dictionaries(
    st.text(), st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8)
)
PROSE = st.text(st.characters(exclude_characters="{}"), max_size=60)


class Pair(BaseModel):
    left: str
    right: list[int]


@given(OBJECTS, PROSE, PROSE, st.sampled_from(["", "```json\n", "```\n"]), st.booleans())
@settings(max_examples=200, deadline=None)
def test_any_object_survives_fences_and_prose(value: dict, before: str, after: str, fence: str, indent: bool) -> None:
    written = json.dumps(value, ensure_ascii=False, indent=2 if indent else None)
    closing = "\n```" if fence else ""
    assert extract_object(f"{before}{fence}{written}{closing}{after}") == value


@given(st.text() | st.text(alphabet='{}[]",:\\ \nab1', max_size=80))
@settings(max_examples=300, deadline=None)
def test_nothing_but_the_typed_failure_is_raised(text: str) -> None:
    kind = None
    try:
        parse_answer(text, Pair)
    except AnswerError as error:
        kind = error.kind
    assert kind in (None, FailureKind.UNPARSABLE, FailureKind.EMPTY)
    assert (kind is FailureKind.EMPTY) == (not text.strip())


@pytest.mark.parametrize(
    "text", ["{" * 100_000, '{"a":' * 50_000, "[" * 100_000 + "{", '{"a": ' + "9" * 9_999, '{"a": "' + "\\" * 99_999]
)
def test_hostile_answers_fail_fast(text: str) -> None:
    with pytest.raises(AnswerError):
        parse_answer(text, Pair)


def test_trailing_commas_are_dropped_outside_strings() -> None:
    text = 'Here: {"left": "a, ]", "right": [1, 2, ], }'
    assert parse_answer(text, Pair) == Pair(left="a, ]", right=[1, 2])


def test_the_longest_object_wins() -> None:
    text = 'Think {"left": "x"} then {"left": "the answer", "right": [1]} and {} end'
    assert parse_answer(text, Pair).left == "the answer"


def test_a_wrong_form_says_which_field() -> None:
    with pytest.raises(AnswerError, match="right") as caught:
        parse_answer('{"left": "a"}', Pair)
    assert caught.value.kind is FailureKind.UNPARSABLE
