"""Runs of a dual encoder that were made before, or cut off."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from dual_toy import colour_rows
from torch import Tensor
from trained_alike import ended_alike

from raqo.retrievers.dual.folder import load_dual
from raqo.training.dual.pipeline import run_dual_training
from raqo.training.dual.settings import DualRunSettings

LEARNING = DualRunSettings(learning_rate=1e-2, max_steps=2, batch_size=8, save_steps=0)


def test_an_equal_run_is_taken_and_another_replaces_it(start: Path, pictures: dict[str, str], tmp_path: Path) -> None:
    data = colour_rows(pictures)
    seen: list[int] = []

    def train(settings: DualRunSettings, seed: int = 0) -> dict[str, Tensor]:
        seen.clear()
        run_dual_training(
            data,
            start=start,
            folder=tmp_path / "dual",
            settings=settings,
            seed=seed,
            progress=lambda done, _: seen.append(done),
        )
        return load_dual(tmp_path / "dual").model.state_dict()

    before, first = load_dual(start).model.state_dict(), train(LEARNING)
    assert seen == [1, 2]
    made = load_dual(tmp_path / "dual").weights
    train(LEARNING)
    assert load_dual(tmp_path / "dual").weights == made
    assert seen == []
    assert not ended_alike(train(LEARNING, seed=1), first, start=before)
    assert ended_alike(train(LEARNING), first, start=before)
    assert seen == [1, 2]


def test_a_run_that_was_cut_off_goes_on_and_ends_the_same(
    start: Path, pictures: dict[str, str], tmp_path: Path
) -> None:
    data, settings = colour_rows(pictures), replace(LEARNING, max_steps=4, save_steps=2)
    whole = run_dual_training(data, start=start, folder=tmp_path / "whole", settings=settings)
    seen: list[int] = []

    def cut(done: int, _: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_dual_training(data, start=start, folder=tmp_path / "cut", settings=settings, progress=cut)
    assert not (tmp_path / "cut").exists()
    again = run_dual_training(
        data, start=start, folder=tmp_path / "cut", settings=settings, progress=lambda done, _: seen.append(done)
    )
    assert seen == [3, 4]
    before, expected, found = (load_dual(folder).model.state_dict() for folder in (start, whole, again))
    assert ended_alike(found, expected, start=before)
