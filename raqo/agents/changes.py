"""Which phrases of a query a rewrite changed."""

from __future__ import annotations

from difflib import SequenceMatcher

from raqo.agents.spans import Span, is_content, span_text, words_of


def changed_phrases(text: str, rewrite: str) -> tuple[str, ...]:
    """The phrases of a text that a rewrite says otherwise or leaves out, in the order of the text.

    Words that carry no concept of their own (an article that follows its noun) do not count.
    """
    words = words_of(text)
    matcher = SequenceMatcher(None, [word.form for word in words], [w.form for w in words_of(rewrite)], autojunk=False)
    found = []
    for tag, first, last, _, _ in matcher.get_opcodes():
        if tag in ("equal", "insert"):
            continue
        while first < last and not is_content(words[first].form):
            first += 1
        while last > first and not is_content(words[last - 1].form):
            last -= 1
        if first < last:
            found.append(span_text(text, words, Span(first, last)))
    return tuple(found)
