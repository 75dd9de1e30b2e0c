"""The passages of the sample world: every fact in four wordings, and passages that only look as if they told one.

A passage has at most three sentences: an opening, the fact, a closing. In most passages a kind goes by the corpus's
name, in some by its common name or by both.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from raqo.sample.captions import with_article
from raqo.sample.knowledge_facts import CLASS_OF, Fact, Name, common_name, corpus_name, facts
from raqo.sample.knowledge_forms import (
    CLOSINGS,
    COMPARISONS,
    FORMS,
    ILLUSTRATIONS,
    MUSING_OPENINGS,
    MUSINGS,
    OPENINGS,
    STORIES,
)
from raqo.sample.scene import COLOURS, KINDS, SETTINGS
from raqo.sample.vocabulary import concepts

PASSAGES = 2_000
# How often a passage uses the corpus's name, the common name, both.
NAME_WEIGHTS = (0.60, 0.10, 0.30)
OPENING_SHARE = 0.5
CLOSING_SHARE = 0.7
# How many of the closings describe a picture, and so share colours and places with captions.
ILLUSTRATION_SHARE = 0.6
STORY_SHARE = 0.2


@dataclass(frozen=True, slots=True)
class Passage:
    """A text and the fact it tells; None for one that tells none."""

    text: str
    fact: Fact | None


def passages(seed: int = 0) -> list[Passage]:
    """All passages, shuffled; no text occurs twice, and those without a fact hold no answer of any fact."""
    rng = random.Random(f"knowledge-passages-{seed}")
    told = [Passage(_telling(fact, form, rng), fact) for fact in facts() for form in range(4)]
    answers = tuple({answer.lower() for fact in facts() for answer in fact.answers})
    seen = {passage.text for passage in told}
    found = list(told)
    for text in _distractors(rng):
        if len(found) == PASSAGES:
            break
        if text not in seen and not any(answer in text.lower() for answer in answers):
            seen.add(text)
            found.append(Passage(text, None))
    rng.shuffle(found)
    return found


def _telling(fact: Fact, form: int, rng: random.Random) -> str:
    name = _name(fact.kind, rng)
    answer = fact.told[form % len(fact.told)]
    opening = rng.choice(OPENINGS)
    sentences = [_filled(opening, name, noun=CLASS_OF[fact.kind])] if rng.random() < OPENING_SHARE else []
    sentences.append(_filled(FORMS[fact.aspect][form], name, answer))
    return " ".join([*sentences, *_closing(rng)])


def _closing(rng: random.Random) -> list[str]:
    if rng.random() >= CLOSING_SHARE:
        return []
    if rng.random() >= ILLUSTRATION_SHARE:
        return [rng.choice(CLOSINGS)]
    colour = rng.choice(COLOURS)
    form = rng.choice(ILLUSTRATIONS)
    return [form.format(colour=colour, a_colour=with_article(colour), setting=_setting(rng))]


def _name(kind: str, rng: random.Random) -> Name:
    own, common = corpus_name(kind), common_name(kind)
    if own == common:
        return own
    both = Name(f"{own.singular} ({common.singular})", f"{own.plural} ({common.plural})")
    return rng.choices((own, common, both), NAME_WEIGHTS)[0]


def _filled(form: str, name: Name, answer: str = "-", noun: str = "thing") -> str:
    words = {"n": name.singular, "ns": name.plural, "an": with_article(name.singular)}
    words |= {"x": answer, "ax": with_article(answer), "class": noun, "a_class": with_article(noun)}
    return form.format(**words, **{key.capitalize(): word[:1].upper() + word[1:] for key, word in words.items()})


def _distractors(rng: random.Random) -> Iterator[str]:
    """Musings on classes, then stories and comparisons without end."""
    for classes, form in MUSINGS:
        for name in classes:
            text = form.format(**{"class": name, "a_class": with_article(name)})
            yield f"{rng.choice(MUSING_OPENINGS)} {text[0].upper()}{text[1:]}".strip()
    while True:
        yield _story(rng) if rng.random() < STORY_SHARE else _comparison(rng)


def _story(rng: random.Random) -> str:
    kinds, colours = rng.sample(KINDS, 2), rng.sample(COLOURS, 2)
    a, b = (with_article(f"{colour} {kind}") for colour, kind in zip(colours, kinds, strict=True))
    return rng.choice(STORIES).format(a=a, b=b, setting=_setting(rng))


def _setting(rng: random.Random) -> str:
    return concepts()["setting", rng.choice(SETTINGS)].common


def _comparison(rng: random.Random) -> str:
    one, other = (_name(kind, rng) for kind in rng.sample(KINDS, 2))
    text = _filled(rng.choice(COMPARISONS).replace("{another}", "{{another}}"), one)
    return text.format(another=with_article(other.singular)) + f" {rng.choice(CLOSINGS)}"
