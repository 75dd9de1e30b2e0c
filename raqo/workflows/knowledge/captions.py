"""What the pictures of questions show: the data's own captions, else keywords of a CLIP model, else a chat model's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from raqo.agents.noun_chunks import chunks
from raqo.agents.picture_keywords import KeywordSettings, PictureKeywords
from raqo.errors import ConfigError, message
from raqo.graphs.expansion_state import Describer
from raqo.graphs.failure_rate import FailureRate
from raqo.records import Failure, KnowledgeDataset, Question
from raqo.retrievers.settings import RetrieverSettings
from raqo.sample.weights import CLIP_DIR
from raqo.training.unknown_words import read_words
from raqo.workflows.parts import SAMPLE, Parts
from raqo.workflows.progress import say


def undescribed(questions: Sequence[Question]) -> list[str]:
    """The pictures of questions without a caption, each once."""
    return list(dict.fromkeys(one.query.image for one in questions if one.query.image and not one.caption))


def captions_of(dataset: KnowledgeDataset, describer: Describer | None, *, max_failure_rate: float) -> list[str]:
    """What each picture shows; empty, and said so, where nobody tells.

    Args:
        dataset: its questions' own captions come first.
        describer: for pictures without one; ``None`` if there is none.
        max_failure_rate: share of pictures that may fail to be described.

    Raises:
        FailureRateError: more of them failed.
    """
    due = undescribed(dataset.questions)
    if due and describer is None:
        problem = f"{len(due)} pictures have no caption, so nothing is known of them"
        say(f"knowledge: {dataset.split}: {problem}; give captions, knowledge.keywords, or a chat model that sees")
    found = describe(due, describer, max_failure_rate=max_failure_rate) if describer else {}
    captions = [one.caption or found.get(one.query.image or "", "") for one in dataset.questions]
    empty = sum(not caption for caption in captions)
    if empty:
        say(f"knowledge: {dataset.split}: {empty} of {len(captions)} questions go without caption")
    return captions


def describe(paths: Sequence[str], describer: Describer, *, max_failure_rate: float) -> dict[str, str]:
    """Picture -> what it shows, without those that failed; these are counted and said.

    Raises:
        FailureRateError: too many failed.
    """
    found = [one.answer for one in describer.caption(paths)]
    FailureRate(max_failure_rate, work="describing pictures").add(found)
    failures = [answer for answer in found if isinstance(answer, Failure)]
    if failures:
        say(f"knowledge: {len(failures)} of {len(paths)} pictures were not described: {failures[0].message}")
    return {path: answer for path, answer in zip(paths, found, strict=True) if not isinstance(answer, Failure)}


def keyword_describer(parts: Parts, settings: KeywordSettings, questions: Sequence[Question]) -> PictureKeywords:
    """The CLIP model that names what is in pictures, out of a file of words or the nouns of captions.

    Raises:
        ConfigError: no file of words is named, and no question has a caption; or the model's name is unknown.
        DataError: the model's weights cannot be used.
    """
    if settings.words:
        words = read_words(Path(settings.words))
    else:
        words = sorted({chunk[-1] for question in questions for chunk in chunks(question.caption)})
    if not words:
        problem = "no file of words is named, and the training questions have no captions to take nouns from"
        raise ConfigError(message("knowledge.keywords.words", problem, "name a file with one word a line"))
    model = f"local-dir:{CLIP_DIR}" if settings.model == SAMPLE else settings.model
    encoder = parts.encoders.clip(RetrieverSettings(kind="clip", model=model))
    return PictureKeywords(encoder, words, settings=settings)
