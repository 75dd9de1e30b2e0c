"""The conformance check for rewriters accepts an honest one and names each fault of a dishonest one."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from raqo.testing import BLIND_SPOT, check_rewriter


class _Dictionary:
    """Replaces the words of the toy world's blind spot."""

    fingerprint = "dictionary"

    def detect(self, texts: Sequence[str]) -> list[tuple[str, ...]]:
        return [tuple(word for word in text.split() if word in BLIND_SPOT) for text in texts]

    def rewrite(self, texts: Sequence[str], concepts: Sequence[tuple[str, ...]], *, n: int = 1) -> list[list[str]]:
        return [[" ".join(BLIND_SPOT.get(word, word) for word in text.split())][:n] for text in texts]


class _Talkative(_Dictionary):
    def rewrite(self, texts: Sequence[str], concepts: Sequence[tuple[str, ...]], *, n: int = 1) -> list[list[str]]:
        return [["a"] * (n + 1) for _ in texts]


class _Forgetful(_Dictionary):
    def detect(self, texts: Sequence[str]) -> list[tuple[str, ...]]:
        return super().detect(texts)[1:]


class _Breaking(_Dictionary):
    def rewrite(self, texts: Sequence[str], concepts: Sequence[tuple[str, ...]], *, n: int = 1) -> list[list[str]]:
        return [["a\nb"] for _ in texts]


def test_an_honest_rewriter_passes() -> None:
    check_rewriter(_Dictionary())


@pytest.mark.parametrize(
    ("rewriter", "said"),
    [(_Talkative(), "rewrites for n=1"), (_Forgetful(), "answers for"), (_Breaking(), "line break")],
)
def test_faults_are_named(rewriter: _Dictionary, said: str) -> None:
    with pytest.raises(AssertionError, match=said):
        check_rewriter(rewriter)
