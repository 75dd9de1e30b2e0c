"""The sample world as an encyclopedia in WIT's format: a picture, what its page is called, and the page's text."""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Sequence
from pathlib import Path

from raqo.files import write_text
from raqo.sample.captions import caption, mentions
from raqo.sample.knowledge_facts import corpus_name
from raqo.sample.knowledge_text import passages
from raqo.sample.questions import DESCRIBING
from raqo.sample.scene import Scene

COLUMNS = ("language", "page_title", "image_url", "caption_reference_description", "context_page_description")
# passages on a page; each has one to three sentences
PASSAGES = 3


def write_encyclopedia(path: Path, scenes: Sequence[Scene], pictures: Sequence[str], *, seed: int = 0) -> None:
    """Write one entry for each object of each scene, as a table that `raqo.preference_data.sources.wit.read_wit` reads.

    A page is about a kind of object and is made of passages of the knowledge task, a few at random for each entry.

    Args:
        path: of the table; what is there is replaced.
        scenes: what the pictures show.
        pictures: their paths, which stand in place of the URLs.
        seed: of the world, and of what is drawn.

    Raises:
        RunFolderError: the file cannot be written.
    """
    rng = random.Random(f"encyclopedia-{seed}")
    about: dict[str, list[str]] = {}
    for passage in passages(seed):
        if passage.fact is not None:
            about.setdefault(passage.fact.kind, []).append(passage.text)
    table = io.StringIO()
    writer = csv.writer(table, delimiter="\t", lineterminator="\n")
    writer.writerow(COLUMNS)
    for scene, picture in zip(scenes, pictures, strict=True):
        said = mentions(scene)
        told = caption(said, [mention.concept.common for mention in said], rng.choice(DESCRIBING))
        for thing in scene.objects:
            text = " ".join(rng.sample(about[thing.kind], PASSAGES))
            writer.writerow(("en", corpus_name(thing.kind).singular, picture, told, text))
    write_text(path, table.getvalue())
