"""Sentences about a scene: which concepts it mentions, and the sentence forms that say them.

Every form of `FORMS` says everything that a caption can say about a scene, so that no form is ambiguous by itself; they
cover sentences, fragments, phrases and tags, as in Flickr30K-CFQ. `SHORT_FORMS` say a part of it: no scene can be told
by them, but people ask so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from raqo.sample.scene import Scene
from raqo.sample.vocabulary import Concept, concepts


@dataclass(frozen=True, slots=True)
class Mention:
    """One concept at one place of a scene; `part` is ``a``, ``b``, ``c`` (the objects), ``relation`` or ``setting``."""

    part: str
    concept: Concept


def mentions(scene: Scene) -> tuple[Mention, ...]:
    """List what a caption says about a scene, in a fixed order. Medium size and plain pattern go unsaid."""
    table = concepts()
    found = []
    for part, thing in zip("abc", scene.objects, strict=False):
        if thing.size != "medium":
            found.append(Mention(part, table["size", thing.size]))
        found.append(Mention(part, table["colour", thing.colour]))
        if thing.pattern != "plain":
            found.append(Mention(part, table["pattern", thing.pattern]))
        found.append(Mention(part, table["kind", thing.kind]))
    found.append(Mention("relation", table["relation", scene.relation]))
    found.append(Mention("setting", table["setting", scene.setting]))
    return tuple(found)


def with_article(phrase: str) -> str:
    """Put ``a`` or ``an`` before a noun phrase, by its first letter."""
    return f"{'an' if phrase[0] in 'aeiou' else 'a'} {phrase}"


@dataclass(frozen=True, slots=True)
class _Parts:
    a: str = ""
    b: str = ""
    relation: str = ""
    setting: str = ""
    c: str | None = None

    def tail(self, lead: str = ", with ") -> str:
        return f"{lead}{with_article(self.c)} nearby" if self.c else ""


Form = Callable[[_Parts], str]

FORMS: tuple[Form, ...] = (
    lambda p: f"{with_article(p.a)} {p.relation} {with_article(p.b)} {p.setting}{p.tail()}",
    lambda p: f"there is {with_article(p.a)} {p.relation} {with_article(p.b)} {p.setting}{p.tail(' and ')}",
    lambda p: f"{p.setting}, {with_article(p.a)} is {p.relation} {with_article(p.b)}{p.tail()}",
    lambda p: f"a picture of {with_article(p.a)} {p.relation} {with_article(p.b)} {p.setting}{p.tail()}",
    lambda p: f"{p.a} {p.relation} {p.b}, {p.setting}{p.tail()}",
    lambda p: ", ".join([p.a, p.b, *([f"{p.c} nearby"] if p.c else []), p.relation, p.setting]),
    lambda p: f"photo of the {p.a} that is {p.relation} the {p.b} {p.setting}{p.tail()}",
    lambda p: f"{p.setting}: {with_article(p.a)} {p.relation} {with_article(p.b)}{p.tail()}",
    lambda p: f"looking for {with_article(p.a)} {p.relation} {with_article(p.b)} {p.setting}{p.tail(' and ')}",
    lambda p: f"the {p.a} {p.relation} the {p.b} {p.setting}{p.tail()}",
    lambda p: f"one {p.a} {p.relation} one {p.b}, {p.setting}{p.tail()}",
    lambda p: f"find the image with {with_article(p.a)} {p.relation} {with_article(p.b)} {p.setting}{p.tail(' and ')}",
    lambda p: f"{with_article(p.a)} and {with_article(p.b)}, the first {p.relation} the second, {p.setting}{p.tail()}",
    lambda p: f"a scene {p.setting} with {with_article(p.a)} {p.relation} {with_article(p.b)}{p.tail(' and ')}",
)


SHORT_FORMS: tuple[tuple[tuple[str, ...], Form], ...] = (
    (("a",), lambda p: p.a),
    (("a",), lambda p: with_article(p.a)),
    (("a",), lambda p: f"the {p.a}"),
    (("a",), lambda p: f"a picture of {with_article(p.a)}"),
    (("setting",), lambda p: p.setting),
    (("a", "setting"), lambda p: f"{p.a} {p.setting}"),
    (("a", "setting"), lambda p: f"{with_article(p.a)} {p.setting}"),
    (("a", "b"), lambda p: f"{p.a} and {p.b}"),
    (("a", "b"), lambda p: f"{with_article(p.a)} and {with_article(p.b)}"),
    (("a", "relation", "b"), lambda p: f"{p.a} {p.relation} {p.b}"),
    (("a", "relation", "b"), lambda p: f"{with_article(p.a)} {p.relation} {with_article(p.b)}"),
    (("a", "relation", "b"), lambda p: f"the {p.a} {p.relation} the {p.b}"),
)
"""What each form speaks of, and the form."""


def caption(said: Sequence[Mention], words: Sequence[str], form: int) -> str:
    """Write a caption.

    Args:
        said: the mentions of a scene, as `mentions` lists them.
        words: one wording for each mention.
        form: index into `FORMS`.
    """
    return FORMS[form](_parts(said, words))


def short_caption(said: Sequence[Mention], words: Sequence[str], form: int) -> str:
    """Write what a short query asks for.

    Args:
        said: mentions of what the form speaks of.
        words: one wording for each mention.
        form: index into `SHORT_FORMS`.
    """
    return SHORT_FORMS[form][1](_parts(said, words))


def _parts(said: Sequence[Mention], words: Sequence[str]) -> _Parts:
    parts: dict[str, list[str]] = {}
    for mention, word in zip(said, words, strict=True):
        parts.setdefault(mention.part, []).append(word)
    return _Parts(**{part: " ".join(found) for part, found in parts.items()})
