"""How a rewriter's answers are read (RAQO, ReCoT): the same whether it runs in this process or behind a server."""

from __future__ import annotations

from collections.abc import Sequence

from raqo.agents.changes import changed_spans
from raqo.agents.prompts import one_line, parse_concepts
from raqo.agents.spans import Span, find_spans, span_text, words_of


def distinct_lines(answers: Sequence[str]) -> list[str]:
    """First line of each answer, folded to single blanks; empty ones and repeats dropped."""
    lines = (one_line(answer.strip().split("\n", 1)[0]) for answer in answers)
    return list(dict.fromkeys(line for line in lines if line))


def challenging_concepts(text: str, named: Sequence[str], drafts: Sequence[str]) -> tuple[str, ...] | None:
    """Step 1: the concepts that the model names, and those it changes when asked for a rewrite without naming any.

    Naming knows the words of the mined data, rewriting carries over to their synonyms. Each word of the query stands in
    one concept at most; what is not in the query is dropped.

    Args:
        text: the query.
        named: lines that answer `render_detect`, best first; none where there is no answer.
        drafts: lines that answer `render_rewrite` of ``ANY_CONCEPT``, likewise.

    Returns:
        The concepts as the query writes them, in its order; None where there is neither answer.
    """
    if not named and not drafts:
        return None
    words = words_of(text)
    spans: list[Span] = []
    for concept in parse_concepts(named[0]) if named else ():
        spans += _free(find_spans(words, words_of(concept)), spans)
    known = {place for span in spans for place in range(span.first, span.last)}
    changed = changed_spans(text, drafts[0], known=known) if drafts else []
    return tuple(dict.fromkeys(span_text(text, words, span) for span in sorted([*spans, *changed])))


def _free(found: Sequence[Span], taken: Sequence[Span]) -> list[Span]:
    """Spans that share no word with those taken already."""
    return [span for span in found if all(span.last <= other.first or other.last <= span.first for other in taken)]
