"""Knowledge benchmarks: questions with pictures, and the passages that answer them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from raqo.errors import ConfigError, DataError, message
from raqo.preference_data.sources import infoseek, knowledge_jsonl, m2kr, okvqa, okvqa_passages, remuq
from raqo.preference_data.sources.captioned import sample
from raqo.preference_data.sources.knowledge_settings import KnowledgeSettings
from raqo.preference_data.sources.problems import Problems, Reason
from raqo.preference_data.sources.published import PASSAGES, check_count
from raqo.records import Document, KnowledgeDataset, Question
from raqo.sample.knowledge import knowledge_dataset


def load_knowledge(
    settings: KnowledgeSettings, *, cache_dir: Path, documents: Sequence[Document] | None = None
) -> KnowledgeDataset:
    """Read questions and passages of a benchmark into memory.

    Args:
        settings: of the benchmark.
        cache_dir: for the sample's pictures where `settings` names no folder.
        documents: the passages, where `settings` names none; handed on as they are.

    Raises:
        ConfigError, DataError: as `read_questions` and `read_passages`; also a passage id that occurs twice (with
            ``on_error: fail``).
    """
    if settings.benchmark == "sample":
        cache = Path(settings.cache) if settings.cache else cache_dir
        return knowledge_dataset(settings.split, cache_dir=cache, seed=settings.seed, limit=settings.limit)
    questions = read_questions(settings)
    if settings.passages or documents is None:
        documents = tuple(distinct_passages(settings))
    name = Path(settings.questions or "").name.split(".")[0] if settings.benchmark == "jsonl" else settings.benchmark
    return KnowledgeDataset(name=settings.name or name, split=settings.split, documents=documents, questions=questions)


def distinct_passages(settings: KnowledgeSettings) -> Iterator[Document]:
    """Stream the corpus of a benchmark as `read_passages`, each id once: the first of its passages. Ids are kept.

    Raises:
        ConfigError, DataError: as `read_passages`; also an id that occurs twice (with ``on_error: fail``).
    """
    problems, seen = Problems(settings.on_error), set[str]()
    for document in read_passages(settings):
        if document.doc_id in seen:
            problem = f"passage {document.doc_id!r} occurs twice"
            problems.add(Reason.DUPLICATE, settings.passages or "", problem, "delete one")
        else:
            seen.add(document.doc_id)
            yield document
    problems.report(documents=len(seen), queries=0)


def read_questions(settings: KnowledgeSettings) -> tuple[Question, ...]:
    """Read the questions of a benchmark, in the order of the file.

    Raises:
        ConfigError: no path is set.
        DataError: a bad entry (with ``on_error: fail``), an unreadable file, no usable question, or a count that is not
            the published one (with ``counts: fail``).
    """
    if not settings.questions:
        raise ConfigError(message("questions", "no path is set", f"name the question file of {settings.benchmark}"))
    problems = Problems(settings.on_error)
    found: dict[str, Question] = {}
    for question in _questions(settings, problems):
        if question.query.query_id in found:
            problem = f"question {question.query.query_id!r} occurs twice"
            problems.add(Reason.DUPLICATE, settings.questions, problem, "delete one")
        else:
            found[question.query.query_id] = question
    problems.report(documents=0, queries=len(found))
    if not found:
        raise DataError(message(settings.questions, "no usable question", "check the file and its split"))
    check_count(settings.benchmark, settings.split, len(found), settings.questions, settings.counts)
    return tuple(sample(list(found.values()), settings.limit, settings.seed))


def read_passages(settings: KnowledgeSettings) -> Iterator[Document]:
    """Stream the corpus of a benchmark, in the order of the file; nothing is kept in memory.

    The count is checked when the stream ends. Ids that occur twice are left to the index, which keeps ids anyway.

    Raises:
        ConfigError: no path is set.
        DataError: as in `read_questions`, while the stream is read.
    """
    if not settings.passages:
        raise ConfigError(message("passages", "no path is set", f"name the corpus of {settings.benchmark}"))
    return _counted(settings, Path(settings.passages))


def _counted(settings: KnowledgeSettings, path: Path) -> Iterator[Document]:
    problems, count = Problems(settings.on_error), 0
    for document in _passages(settings, path, problems):
        count += 1
        yield document
    problems.report(documents=count, queries=0)
    if not count:
        raise DataError(message(str(path), "no usable passage", "check the file"))
    check_count(settings.benchmark, PASSAGES, count, str(path), settings.counts)


def _questions(settings: KnowledgeSettings, problems: Problems) -> Iterator[Question]:
    match settings.benchmark:
        case "remuq":
            return remuq.questions(settings, problems)
        case "infoseek":
            return infoseek.questions(settings, problems)
        case "infoseek-m2kr" | "e-vqa":
            return m2kr.questions(settings, problems)
        case "jsonl":
            return knowledge_jsonl.questions(settings, problems)
        case _:
            return okvqa.questions(settings, problems)


def _passages(settings: KnowledgeSettings, path: Path, problems: Problems) -> Iterator[Document]:
    match settings.benchmark:
        case "okvqa-wk11m":
            return okvqa_passages.wikipedia_blocks(path, problems)
        case "okvqa-wk21m":
            return okvqa_passages.wikipedia_hundreds(path, problems)
        case "infoseek":
            return infoseek.articles(path, problems)
        case "infoseek-m2kr" | "e-vqa":
            return m2kr.passages(path, settings.split, problems)
        case "jsonl":
            return knowledge_jsonl.passages(path, problems)
        case _:
            return okvqa_passages.google_sentences(path, problems)
