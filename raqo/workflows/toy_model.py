"""A warning where the sample's small language model is about to learn from other data than the sample's."""

from __future__ import annotations

from raqo.config import RunConfig
from raqo.workflows.parts import SAMPLE
from raqo.workflows.progress import say


def say_toy(config: RunConfig) -> None:
    """Say that ``training.model`` is the sample's, which is the default, where the training data are not."""
    train, questions = config.data.train, config.knowledge and config.knowledge.train
    data = train.path if train else questions.benchmark if questions else SAMPLE
    if config.training.model == SAMPLE and data != SAMPLE:
        say("training.model is `sample`, a toy that knows the sample world's words only; name a model")
