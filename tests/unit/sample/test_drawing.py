from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest

from raqo.sample import drawing
from raqo.sample.drawing import render
from raqo.sample.objects import ART
from raqo.sample.pen import PAINTS
from raqo.sample.scene import COLOURS, KINDS, PATTERNS, RELATIONS, SETTINGS, SIZES, Scene, SceneObject
from raqo.sample.sprites import body_mask, body_picture, sprite

DOG, CAR, CUP = SceneObject("dog", "red"), SceneObject("car", "blue"), SceneObject("cup", "green")
SCENE = Scene("beach", "next to", (DOG, CAR), seed=3)


def pictures(scenes):
    return {render(scene, pixels=96).tobytes() for scene in scenes}


def random_scene(rng, count):
    def thing():
        return SceneObject(rng.choice(KINDS), rng.choice(COLOURS), rng.choice(SIZES), rng.choice(PATTERNS))

    things = tuple(thing() for _ in range(count))
    return Scene(rng.choice(SETTINGS), rng.choice(RELATIONS), things, rng.randrange(1000))


def test_the_tables_are_complete():
    assert tuple(ART) == KINDS
    assert tuple(PAINTS) == COLOURS


@pytest.mark.parametrize("pixels", [96, 160])
def test_a_scene_is_a_square_picture_and_always_the_same(pixels):
    picture = render(SCENE, pixels=pixels)
    assert (picture.mode, picture.size) == ("RGB", (pixels, pixels))
    before = picture.tobytes()
    sprite.cache_clear()
    assert render(replace(SCENE), pixels=pixels).tobytes() == before


def test_the_seed_changes_the_picture():
    assert len(pictures(replace(SCENE, seed=seed) for seed in range(8))) == 8


@pytest.mark.parametrize("kind", KINDS)
def test_the_body_shows_its_colour_and_fills_a_good_part(kind):
    mask = np.asarray(body_mask(kind, 96)) > 0
    for colour in COLOURS:
        art = np.asarray(body_picture(kind, colour, 96))
        shown = (art[mask][:, :3] == PAINTS[colour].main).all(axis=1)
        assert shown.mean() > 0.97
    assert mask.sum() > 0.3 * (art[..., 3] > 0).sum()


def test_everything_a_caption_says_changes_the_picture():
    assert len(pictures(replace(SCENE, relation=value) for value in RELATIONS)) == len(RELATIONS)
    assert len(pictures(replace(SCENE, setting=value) for value in SETTINGS)) == len(SETTINGS)
    for slot, values in {"kind": KINDS, "colour": COLOURS, "size": SIZES, "pattern": PATTERNS}.items():
        scenes = [replace(SCENE, objects=(replace(DOG, **{slot: value}), CAR)) for value in values]
        assert len(pictures(scenes)) == len(values)


def test_a_third_object_changes_the_picture():
    assert len(pictures([SCENE, replace(SCENE, objects=(DOG, CAR, CUP))])) == 2


@pytest.mark.parametrize("count", [2, 3])
def test_no_object_leaves_the_picture(count, monkeypatch):
    seen = []
    arranged = drawing._arranged
    monkeypatch.setattr(drawing, "_arranged", lambda *args: seen.append(arranged(*args)) or seen[-1])
    rng = random.Random(count)
    for _ in range(100):
        scene = random_scene(rng, count)
        render(scene, pixels=96)
        items = seen.pop()
        assert all(min(i.x, i.y) >= 0 and max(i.right, i.bottom) <= 96 for i in items), scene
        if count == 3:
            *pair, third = items
            apart = (i.right <= third.x or third.right <= i.x or i.bottom <= third.y for i in pair)
            assert all(apart), scene


@pytest.mark.parametrize(
    ("scene", "words"),
    [
        (replace(SCENE, setting="moon"), ["setting 'moon'", *SETTINGS]),
        (replace(SCENE, relation="inside"), ["relation 'inside'", *RELATIONS]),
        (replace(SCENE, objects=(DOG, replace(CAR, kind="tank"))), ["kind 'tank'", *KINDS]),
        (replace(SCENE, objects=(DOG, replace(CAR, colour="teal"))), ["colour 'teal'", *COLOURS]),
        (replace(SCENE, objects=(DOG, replace(CAR, size="huge"))), ["size 'huge'", *SIZES]),
        (replace(SCENE, objects=(DOG, replace(CAR, pattern="wavy"))), ["pattern 'wavy'", *PATTERNS]),
        (replace(SCENE, objects=(DOG,)), ["2 or 3 objects, not 1"]),
    ],
)
def test_bad_scenes_are_refused_with_what_is_allowed(scene, words):
    with pytest.raises(ValueError, match=r"\.$") as caught:
        render(scene)
    assert all(word in str(caught.value) for word in words)
