"""What a configuration lets one search: its data sets, and the passages of its questions."""

from __future__ import annotations

from collections.abc import Sequence

from raqo.errors import ConfigError, message, nearest
from raqo.records import Document
from raqo.workflows.knowledge.corpus import Corpus
from raqo.workflows.knowledge.data import KnowledgeData
from raqo.workflows.knowledge.passage_file import passages_of_corpus
from raqo.workflows.parts import Parts

QUESTIONS, TRAINING_QUESTIONS = "knowledge.evaluate", "knowledge.train"


def gallery_names(parts: Parts) -> list[str]:
    """Names of the galleries, the one that is searched where none is named first."""
    data, knowledge = parts.config.data, parts.config.knowledge
    names = [*data.evaluate, *(["train"] if data.train else [])]
    if knowledge is not None:
        names += [QUESTIONS, *([TRAINING_QUESTIONS] if knowledge.train else [])]
    return names


def open_gallery(parts: Parts, name: str | None = None) -> Corpus:
    """A gallery by its name, by default the first; its retriever is built or opened when it is asked for.

    Raises:
        ConfigError: there is no such gallery.
        DataError: its documents cannot be used.
    """
    names = gallery_names(parts)
    name = names[0] if name is None else name
    if name not in names:
        problem = f"unknown{nearest(name, names)}"
        raise ConfigError(message(f"gallery {name!r}", problem, f"use one of: {', '.join(names)}"))
    knowledge = name in (QUESTIONS, TRAINING_QUESTIONS)
    return Corpus(parts, _documents(parts, name), data_set=None if knowledge else name)


def _documents(parts: Parts, name: str) -> Sequence[Document]:
    if name in (QUESTIONS, TRAINING_QUESTIONS):
        data = KnowledgeData(parts)
        settings, train = data.settings.evaluate, data.settings.train
        if name == TRAINING_QUESTIONS and train and (train.passages or train.benchmark == "sample"):
            settings = train
        return data.passages(settings)
    source = parts.config.data.train if name == "train" else parts.config.data.evaluate[name]
    corpus = passages_of_corpus(parts, source) if source else None
    return parts.dataset(name).documents if corpus is None else corpus
