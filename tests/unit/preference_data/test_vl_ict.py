from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raqo.preference_data.sources.wit import WitEntry
from raqo.preference_data.vl_ict import MASK, cloze, cloze_triplets

TEXT = "A city. St. Louis lies on a river. It has an arch."


def _entry(title: str, context: str, caption: str = "") -> WitEntry:
    return WitEntry("en", title, "http://x/1.jpg", caption, context)


@pytest.mark.parametrize(
    ("title", "caption", "context", "sentence", "passage"),
    [
        ("Deer", "", "It is shy. A deer eats grass! Deer run.", "A _ eats grass!", "It is shy. Deer run."),
        ("St. Louis", "", TEXT, "_ lies on a river.", "A city. It has an arch."),
        ("Mercury (planet)", "", "Mercury is small. It is hot.", "_ is small.", "It is hot."),
        ("Nowhere", "an old bridge", "Over the Po. An old bridge spans it.", "_ spans it.", "Over the Po."),
        ("Deer", "a deer in the snow", "In the snow a deer rests. It sleeps.", "In the _ a _ rests.", "It sleeps."),
        ("Art", "", "An article. Art is long. Life is short.", "_ is long.", "An article. Life is short."),
        ("C++", "", "C++ is a language. It is fast.", "_ is a language.", "It is fast."),
    ],
)
def test_by_hand(title: str, caption: str, context: str, sentence: str, passage: str) -> None:
    assert cloze(_entry(title, context, caption)) == (sentence, passage)


def test_only_what_follows_as_in_the_re_implementation() -> None:
    assert cloze(_entry("St. Louis", TEXT), passage="following") == ("_ lies on a river.", "It has an arch.")
    assert cloze(_entry("arch", TEXT), passage="following") is None


@pytest.mark.parametrize(
    ("title", "caption", "context"),
    [
        ("Deer", "", "Deer eat grass."),  # a single sentence
        ("Deer", "", ""),
        ("Deer", "", "Roes eat grass. They run."),  # neither title nor caption
        ("", "", "Deer eat grass. They run."),
        ("(film)", "?", "Deer. A ?"),
        ("Deer", "grass eat", "Deer eat grass. They run."),  # nothing left to ask
    ],
)
def test_entries_without_a_triplet(title: str, caption: str, context: str) -> None:
    assert cloze(_entry(title, context, caption)) is None


def test_entries_without_a_picture_are_passed_over() -> None:
    entries = [_entry("Deer", "Deer eat grass. They run."), WitEntry("en", "Roe", "gone", "", "A roe. It hides.")]
    (one,) = cloze_triplets(entries, {"http://x/1.jpg": "1.jpg"}.get)
    assert (one.image, one.sentence, one.passage) == ("1.jpg", "_ eat grass.", "They run.")


_WORDS = st.sampled_from(["deer", "Deer", "red", "RED deer", "fox", "St. Anne", "st. anne", "a", "runs", "snow", "é"])
_SENTENCES = st.lists(_WORDS, min_size=1, max_size=6).map(lambda words: " ".join(words))


@given(
    title=st.sampled_from(["Deer", "Red deer", "St. Anne", "St. Anne (church)", "fox", "Nothing"]),
    caption=st.one_of(st.just(""), _SENTENCES),
    sentences=st.lists(st.tuples(_SENTENCES, st.sampled_from([". ", "! ", "? "])), max_size=5),
)
def test_the_sentence_hides_the_name_and_the_caption_and_the_passage_is_the_rest(
    title: str, caption: str, sentences: list[tuple[str, str]]
) -> None:
    context = "".join(sentence + end for sentence, end in sentences).strip()
    found = cloze(_entry(title, context, caption))
    if found is None:
        return
    asked, rest = found
    names = [title, title.partition(" (")[0]]
    named = next((name for name in names if _holds(context, name)), caption)
    assert not _holds(asked, named)
    assert MASK in asked
    shared = set(re.findall(r"\w+", caption.lower())) - {"a"}
    assert not shared & set(re.findall(r"[^\W_]+", asked.lower()))
    assert rest
    assert len(rest) < len(context)
    # taken out of the text, K leaves exactly one piece of it
    kept = context.startswith(rest) or context.endswith(rest)
    assert kept or any(
        context.startswith(rest[:cut]) and context.endswith(rest[cut:].lstrip()) for cut in range(len(rest))
    )


def _holds(text: str, name: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text, re.IGNORECASE) is not None
