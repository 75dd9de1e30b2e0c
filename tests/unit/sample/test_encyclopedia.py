from __future__ import annotations

from pathlib import Path

from raqo.preference_data.sources.problems import Problems
from raqo.preference_data.sources.wit import read_wit
from raqo.preference_data.vl_ict import MASK, cloze_triplets
from raqo.sample.encyclopedia import write_encyclopedia
from raqo.sample.knowledge_facts import corpus_name
from raqo.sample.world import split_scenes


def test_it_reads_as_wit_and_gives_triplets(tmp_path: Path) -> None:
    scenes = [item.scene for item in split_scenes()["val"][:60]]
    pictures = [f"{row}.png" for row in range(len(scenes))]
    path = tmp_path / "wit.tsv"
    write_encyclopedia(path, scenes, pictures)
    entries = list(read_wit(path, Problems("fail")))
    kinds = [
        (picture, corpus_name(thing.kind).singular)
        for picture, scene in zip(pictures, scenes, strict=True)
        for thing in scene.objects
    ]
    assert [(entry.image_url, entry.title) for entry in entries] == kinds
    assert all(entry.caption and entry.context.count(".") >= 3 for entry in entries)
    triplets = list(cloze_triplets(entries, str))
    assert len(triplets) > 0.8 * len(entries)
    assert all(MASK in triplet.sentence and triplet.image in pictures for triplet in triplets)
    first = path.read_bytes()
    write_encyclopedia(path, scenes, pictures)
    assert path.read_bytes() == first
