"""What is doubtful about a configuration, beside its data: said before hours are spent on it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from raqo.records import RetrievalDataset
from raqo.workflows.parts import SAMPLE, Parts
from raqo.workflows.progress import say


def say_doubts(parts: Parts, datasets: Mapping[str, RetrievalDataset]) -> None:
    """Say which evaluation queries are mined too, and which model to train is not on this disk.

    Args:
        parts: of the configuration.
        datasets: its data sets by name, ``train`` among them where there is one.

    Raises:
        ConfigError: the model to train is a folder that is not there, or one without a model.
    """
    train = datasets.get("train")
    for name, dataset in datasets.items():
        if train and name != "train":
            say_shared(train, dataset)
    model = parts.config.training.model
    if model != SAMPLE and re.fullmatch(r"([\w-][\w.-]*/)?[\w-][\w.-]*", model) and not Path(model).is_dir():
        say(f"training.model: {model} is no folder here, so it will be fetched from Hugging Face by this name")
    else:
        _ = parts.base_model


def say_shared(train: RetrievalDataset, held_out: RetrievalDataset) -> None:
    """Warn of queries that are mined and evaluated on: what they measure is flattering."""
    mined = {(query.query_id, query.text) for query in train.queries}
    shared = sum((query.query_id, query.text) in mined for query in held_out.queries)
    if shared:
        name = f"data.evaluate.{held_out.split}"
        say(f"{name}: {shared} of {len(held_out.queries)} queries are in data.train too; figures on them flatter")
