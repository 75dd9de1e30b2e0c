"""Questions about scenes whose text alone does not say what they are about, with ten people's answers.

The object asked about is named by its place, its relation to another object, its looks or a pointing word, never by its
kind: *What is the thing left of the red car used for?* Only the picture tells that it is a bell.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass

from raqo.sample.captions import caption, mentions, with_article
from raqo.sample.knowledge_facts import CLASS_OF, Fact, corpus_name, facts
from raqo.sample.scene import Scene, SceneObject
from raqo.sample.vocabulary import concepts

ANNOTATORS = 10
# Of ten people so many give the usual answer; the others choose among all wordings.
AGREEING = 6
# The forms of `raqo.sample.captions` that describe a picture and do not ask for one.
DESCRIBING = (0, 1, 2, 3, 4, 7, 9, 10, 12, 13)

# {t} is the object, as "the thing left of the red car" or, resolved, "a chime"
_FORMS: dict[str, tuple[str, ...]] = {
    "lifespan": ("How long does {t} live?", "How old can {t} get?"),
    "birth": ("How long does {t} take to have its young?", "How long must one wait for the young of {t}?"),
    "diet": ("What does {t} like to eat best?", "Which food does {t} prefer to all other food?"),
    "group": (
        "What are several animals like {t} called?",
        "What is the word for a company of animals like {t}?",
    ),
    "home": ("Where does {t} spend the night?", "Where does {t} belong when the day is over?"),
    "skill": ("What is {t} especially good at?", "What is the great talent of {t}?"),
    "work": ("How does {t} help on the farm?", "How does {t} do people good?"),
    "fear": ("What is {t} most afraid of?", "What frightens {t}?"),
    "joy": ("How does {t} show that it is happy?", "What does {t} do when it is pleased?"),
    "care": ("What does {t} need to stay in good shape?", "How do you look after {t}?"),
    "danger": ("What does most harm to {t}?", "What should {t} be protected from?"),
    "use": ("What is {t} used for?", "What is {t} good for?"),
    "material": ("What is {t} made of?", "Which material goes into {t}?"),
    "maker": ("Who makes {t}?", "Whose trade is it to put together {t}?"),
    "part": ("What is the most important part of {t}?", "Which part must never be missing from {t}?"),
    "gift": ("On which occasion is {t} given as a present?", "For what do people hand over {t} in the valley?"),
    "meaning": ("What does {t} stand for in old sayings?", "What is {t} a symbol of?"),
    "hero": ("What is {t} called in the old tale?", "What name does {t} have in the story?"),
    "owner": ("Who owns {t} in the old tale?", "To whom does {t} belong in the story?"),
    "power": ("What makes {t} go?", "What does {t} run on?"),
    "driver": ("What is the person who steers {t} called?", "Who is in charge of {t}?"),
    "speed": ("How fast does {t} go?", "What speed does {t} reach?"),
    "permit": ("What is needed before anyone may steer {t}?", "What does taking charge of {t} call for?"),
    "spread": ("How does {t} spread to new places?", "What carries {t} to new places?"),
    "pest": ("Which creatures like to eat {t}?", "What is {t} damaged by?"),
    "season": ("When is {t} at its best?", "In which month does {t} look its loveliest?"),
}

# how the first object of a relation is named by the second ({o}), and the second by the first
_BY_RELATION = {
    "next to": ("{noun} next to {o}", "{noun} next to {o}"),
    "on top of": ("{noun} on top of {o}", "{noun} under {o}"),
    "behind": ("{noun} behind {o}", "{noun} in front of {o}"),
    "far from": ("{noun} far from {o}", "{noun} far from {o}"),
    "chasing": ("{noun} chasing {o}", "{noun} chased by {o}"),
    "leaning against": ("{noun} leaning against {o}", "{noun} that {o} leans against"),
}
_SIDE_BY_SIDE = ("next to", "behind", "far from", "chasing", "leaning against")


@dataclass(frozen=True, slots=True)
class SceneQuestion:
    """A question about one object of a scene.

    Attributes:
        reference: the question with the object named in the corpus's words.
        caption: what a captioner says about the whole scene.
        answers: lower-case answer -> how many of `ANNOTATORS` people gave it, the most frequent first.
    """

    text: str
    reference: str
    caption: str
    answers: dict[str, int]
    fact: Fact


def ask(scene: Scene, rng: random.Random) -> SceneQuestion:
    """Ask one question about a random object of the scene."""
    index = rng.randrange(len(scene.objects))
    kind = scene.objects[index].kind
    fact = rng.choice([fact for fact in facts() if fact.kind == kind])
    form = rng.choice(_FORMS[fact.aspect])
    said = mentions(scene)
    return SceneQuestion(
        text=form.format(t=rng.choice(referring(scene, index))),
        reference=form.format(t=with_article(corpus_name(kind).singular)),
        caption=caption(said, [mention.concept.common for mention in said], rng.choice(DESCRIBING)),
        answers=_answered(fact, rng),
        fact=fact,
    )


def referring(scene: Scene, index: int) -> list[str]:
    """Every way to point at one object of a scene without naming its kind; each fits no other object of the scene."""
    thing, others = scene.objects[index], len(scene.objects) - 1
    noun = CLASS_OF[thing.kind]
    found = [f"the {_looks(thing)} {noun}"]
    if noun != "thing" and [CLASS_OF[one.kind] for one in scene.objects].count(noun) == 1:
        found += [f"this {noun}"] * 2
    if index == 2:
        return found
    other = f"the {_looks(scene.objects[1 - index])} {scene.objects[1 - index].kind}"
    if others == 1 or scene.relation not in ("next to", "far from"):
        found += [f"the {_BY_RELATION[scene.relation][index].format(noun=noun, o=other)}"] * 2
    if others == 1 and scene.relation in _SIDE_BY_SIDE:
        side = "left" if (index == 0) != mirrored(scene) else "right"
        found += [f"the {noun} {side} of {other}", f"the {noun} on the {side}"]
    return found


def mirrored(scene: Scene) -> bool:
    """Whether `raqo.sample.drawing` flips the picture, so that the first object stands on the right."""
    return random.Random(scene.seed).random() < 0.5


def _looks(thing: SceneObject) -> str:
    table = concepts()
    words = [table["size", thing.size].common] if thing.size != "medium" else []
    words.append(table["colour", thing.colour].common)
    words += [table["pattern", thing.pattern].common] if thing.pattern != "plain" else []
    return " ".join(words)


def _answered(fact: Fact, rng: random.Random) -> dict[str, int]:
    given = [fact.answers[0]] * AGREEING + rng.choices(fact.answers, k=ANNOTATORS - AGREEING)
    return dict(Counter(map(str.lower, given)).most_common())
