from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from raqo.agents import prompts
from raqo.agents.rewriter import LocalRewriter
from raqo.retrievers.clip.encoder import ClipEncoder
from raqo.sample.build_clip import IMAGE_SIZE, build_clip
from raqo.sample.build_lm import build_lm
from raqo.sample.world import WorldScene, split_scenes


@pytest.fixture(scope="module")
def scenes() -> list[WorldScene]:
    return split_scenes(0)["retriever"][:64]


def test_a_retriever_is_made_that_the_encoder_reads(scenes: list[WorldScene], tmp_path: Path) -> None:
    pixels = np.zeros((len(scenes), IMAGE_SIZE, IMAGE_SIZE, 3), dtype=np.uint8)
    lines: list[str] = []
    build_clip(scenes, pixels, tmp_path / "clip", steps=2, batch_size=32, log=lines.append)
    vectors = ClipEncoder.load(str(tmp_path / "clip"), device="cpu").encode_texts(["a red boat", "a blue dog"])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert [line.split()[1] for line in lines] == ["1/2"]


def test_a_language_model_is_made_that_learns_its_tasks(scenes: list[WorldScene], tmp_path: Path) -> None:
    lines: list[str] = []
    build_lm(
        scenes,
        ["banana", "quartz"],
        tmp_path / "lm",
        render_detect=prompts.render_detect,
        render_rewrite=prompts.render_rewrite,
        join_concepts=prompts.join_concepts,
        steps=200,
        batch_size=8,
        log=lines.append,
    )
    first, last = (float(line.split("loss ")[1].split()[0]) for line in lines)
    assert first == pytest.approx(np.log(2048), abs=0.5)  # it knows nothing: as good as a guess among all tokens
    assert last < 0.7 * first
    assert len(LocalRewriter(tmp_path / "lm").rewrite(["a red boat"], [("red",)])) == 1
