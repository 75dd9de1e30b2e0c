"""Words and spans of a query, and replacing one span in place."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

# Words that carry no visual concept of their own; relations such as "behind" or "beneath" do.
_FUNCTION = """
a an the and or but nor of in on at to by from with without for as is are was were be been being am do does did has
have had having that which who whom whose this these those it its they them their there he she his her we our you your
i my me so than then while some any each both one where when into onto over under up out past image picture photo
photograph scene view looking find show
"""
_FUNCTION_WORDS = frozenset(_FUNCTION.split())
_EDGE_BREAKERS = frozenset(("a", "an", "the", "and", "or", "that", "which", "is", "are", "was", "were"))
_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
_ARTICLE_BEFORE = re.compile(r"(?<!\w)(an?)(\s+)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a text: its casefolded form and its place, as character offsets."""

    form: str
    start: int
    end: int


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """Words `first` to `last` of a text, `last` excluded."""

    first: int
    last: int


def words_of(text: str) -> list[Word]:
    """Split a text into words; hyphens and apostrophes inside a word belong to it."""
    return [Word(match.group().casefold(), match.start(), match.end()) for match in _WORD.finditer(text)]


def forms_of(text: str) -> list[str]:
    """The forms of `words_of`, without their places: several times as fast."""
    return [word.casefold() for word in _WORD.findall(text)]


def runs_of(text: str, words: Sequence[Word]) -> list[list[Word]]:
    """Divide words where anything but white space stands between them: no phrase goes across a comma."""
    runs: list[list[Word]] = []
    for at, word in enumerate(words):
        if at and text[words[at - 1].end : word.start].isspace():
            runs[-1].append(word)
        else:
            runs.append([word])
    return runs


def is_content(form: str) -> bool:
    """Whether a casefolded word may carry a visual concept."""
    return form not in _FUNCTION_WORDS and not form.isdigit()


def may_be_edge(form: str) -> bool:
    """Whether a phrase may begin or end with this word: no articles, conjunctions and auxiliaries."""
    return form not in _EDGE_BREAKERS


def span_text(text: str, words: Sequence[Word], span: Span) -> str:
    """The characters of a span as they stand in the text."""
    return text[words[span.first].start : words[span.last - 1].end]


def find_spans(words: Sequence[Word], phrase: Sequence[Word]) -> list[Span]:
    """Where a phrase stands in a text, word by word; none for a phrase without words."""
    forms, wanted = [word.form for word in words], [word.form for word in phrase]
    size = len(wanted)
    return [Span(at, at + size) for at in range(len(forms) - size + 1) if size and forms[at : at + size] == wanted]


def replace_span(text: str, words: Sequence[Word], span: Span, wording: str) -> str:
    """Put another wording in the place of a span; an article before it is made to agree (``a``/``an``)."""
    before, after = text[: words[span.first].start], text[words[span.last - 1].end :]
    article = _ARTICLE_BEFORE.search(before)
    if article and wording:
        fitting = article[1][0] + ("n" if wording[0].casefold() in "aeiou" else "")
        before = before[: article.start()] + fitting + article[2]
    return _tidy(before + wording + after)


def _tidy(text: str) -> str:
    return re.sub(r"\s+([,.:;!?])", r"\1", " ".join(text.split()))
