"""`raqo dual`, `raqo demo --task dual`: a dual encoder trained on questions about pictures, and measured."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from itertools import chain, compress
from pathlib import Path
from typing import Any

from raqo import __version__
from raqo.config import IfExists, RunConfig
from raqo.errors import ConfigError, message
from raqo.evaluation.knowledge_report import format_rows, row
from raqo.evaluation.pseudo_relevance import PseudoRelevance, answers_of, relevance, score_rankings
from raqo.files import write_json
from raqo.preference_data.vl_ict import ClozeTriplet
from raqo.protocols import Retriever
from raqo.records import KnowledgeDataset, Query, Question, Ranking
from raqo.retrievers.settings import RetrieverSettings
from raqo.training.dual.rows import DualData
from raqo.training.dual.settings import DualRunSettings, DualSettings
from raqo.workflows.knowledge.corpus import Corpus
from raqo.workflows.knowledge.data import KnowledgeData
from raqo.workflows.knowledge.dual_pages import read_pages
from raqo.workflows.knowledge.task import KnowledgeTask
from raqo.workflows.parts import Parts
from raqo.workflows.progress import late_bar, say
from raqo.workflows.run_folder import open_run

# hits searched for each question; the metrics look at the first five
DEPTH = 10
# passages among which right ones are looked for, where a question names none
SEARCHED = 100
BASELINE = "retriever, question only"


def run_dual(config: RunConfig, out: Path, *, if_exists: IfExists = "replace") -> tuple[str, Path]:
    """Train a dual encoder on the training questions and measure it on the others against the bare question.

    The configured retriever finds the hard negatives and is the baseline; passages that it keeps on disk are read from
    there, but for the dual encoder's own index, which is made of all of them in memory. What is there of an equal run
    is taken; one cut off goes on.

    Args:
        config: of the run, with training questions.
        out: the run folder; the model becomes ``models/dual``.
        if_exists: what to do with one that is there.

    Returns:
        The table as text, and the path of ``report.json``.

    Raises:
        ConfigError: there are no training questions, or no pages for VL-ICT.
        DataError: questions, passages, pages or checkpoints cannot be used.
    """
    parts = Parts(config)
    data = KnowledgeData(parts)
    if data.train is None:
        raise ConfigError(message("knowledge.train", "there is nothing to train on", "name training questions"))
    if config.dual.pretrain and data.settings.pages is None:
        fix = "name a table in WIT's format, or set dual.pretrain: null"
        raise ConfigError(message("knowledge.pages", "VL-ICT has nothing to learn from", fix))
    folder = open_run(out, if_exists)
    folder.begin(config)
    pages: list[ClozeTriplet] = []
    if config.dual.pretrain and data.settings.pages:
        pages = read_pages(data.settings.pages, folder.path, cache_dir=Path(config.cache_dir))
    task, seconds = KnowledgeTask(data), dict[str, float]()
    settings = replace(config.dual, seed=config.seed)
    questions = with_targets(data.train.questions, task.train_corpus, data.mode)
    model = train_dual(questions, settings, folder.models, corpus=task.train_corpus, pages=pages, seconds=seconds)
    asked = [question.query for question in data.test.questions]
    blind = [replace(query, image=None) for query in asked]
    dual = Parts(replace(config, retriever=RetrieverSettings(kind="dual", model=str(model)))).gallery(
        data.test.documents
    )
    rankings = {
        BASELINE: task.corpus.retriever.search(blind, k=DEPTH),
        "dual encoder": dual.search(asked, k=DEPTH),
        "dual encoder without picture": dual.search(blind, k=DEPTH),
    }
    table, rows = compare(data.test, rankings, task.corpus.texts, data.mode)
    report = {"raqo": __version__, "rows": rows, "model": str(model), "seconds": seconds, "config": asdict(config)}
    folder.save(config)
    write_json(folder.report, report)
    return table, folder.report


def with_targets(questions: Sequence[Question], corpus: Corpus, mode: PseudoRelevance) -> list[Question]:
    """Where a question names no right passage: those found for it and its caption that hold an answer."""
    unnamed = [one for one in questions if not one.targets]
    asked = [Query(one.query.query_id, f"{one.query.text} {one.caption}") for one in unnamed]
    right: dict[str, tuple[str, ...]] = {}
    for question, ranking in zip(unnamed, corpus.retriever.search(asked, k=SEARCHED), strict=True):
        ids = [hit.doc_id for hit in ranking.hits]
        holds = relevance([corpus.texts[doc_id] for doc_id in ids], answers_of(question, mode.answers), mode.match)
        right[question.query.query_id] = tuple(compress(ids, holds))
    return [replace(one, targets=one.targets or right[one.query.query_id]) for one in questions]


def train_dual(
    questions: Sequence[Question],
    settings: DualSettings,
    models: Path,
    *,
    corpus: Corpus,
    pages: Sequence[ClozeTriplet] = (),
    seconds: dict[str, float] | None = None,
) -> Path:
    """Train the dual encoder of `settings` and return its folder, ``dual`` in `models`.

    What each run starts from stands beside it: ``dual-start``, and after VL-ICT ``dual-pretrained``.

    Args:
        questions: with targets.
        settings: of the dual encoder.
        models: where the folders go.
        corpus: the passages, and the retriever that finds the hard negatives among them.
        pages: triplets of VL-ICT; needed where `settings` has a run before.
        seconds: receives the time of each run.

    Raises:
        DataError: no question with a target, or unusable checkpoints or pictures.
        RunFolderError: a folder cannot be written.
    """
    from raqo.training.dual.pipeline import start_from
    from raqo.training.dual.rows import cloze_data, question_data

    cloze = cloze_data(pages)
    asked = [*(one.query.text for one in questions), *(one.text for one in cloze.rows)]
    folder = start_from(settings, chain(corpus.texts.values(), asked), models / "dual-start")
    times = {} if seconds is None else seconds
    if settings.pretrain:
        folder = _run("VL-ICT", cloze, folder, models / "dual-pretrained", settings.pretrain, settings.seed, times)
    negatives = _hard_negatives(questions, corpus.retriever, settings.seed) if settings.hard_negatives else {}
    data = question_data(questions, corpus.texts, negatives)
    return _run("questions", data, folder, models / "dual", settings.train, settings.seed, times)


def compare(
    test: KnowledgeDataset, rankings: dict[str, list[Ranking]], texts: Mapping[str, str], mode: PseudoRelevance
) -> tuple[str, list[dict[str, Any]]]:
    """Measure rankings of the test questions against the first of them: a table, and its rows as plain data."""
    measured = {
        name: score_rankings(test.questions, found, texts, mode=mode, ks=(1, 5, 10)) for name, found in rankings.items()
    }
    baseline = next(iter(measured.values()))
    rows = [row(name, values, baseline, mode) for name, values in measured.items()]
    title = f"{test.name} · {test.split} · {len(test.questions)} questions · {mode.label} · per cent"
    return format_rows(rows, title=title), [one.as_json() for one in rows]


def _hard_negatives(questions: Sequence[Question], retriever: Retriever, seed: int) -> dict[str, str]:
    from raqo.training.dual.hard_negatives import mine_hard_negatives

    queries: list[Query] = [one.query for one in questions]
    found = mine_hard_negatives(retriever, queries, {one.query.query_id: one.targets for one in questions}, seed=seed)
    say(f"dual: hard negatives for {len(found)} of {len(questions)} questions")
    return found


def _run(
    name: str,
    data: DualData,
    start: Path,
    folder: Path,
    settings: DualRunSettings,
    seed: int,
    seconds: dict[str, float],
) -> Path:
    from raqo.training.dual.pipeline import run_dual_training

    started = time.monotonic()
    with late_bar(f"dual {name}", "steps") as move:
        run_dual_training(data, start=start, folder=folder, settings=settings, seed=seed, progress=move)
    seconds[name] = round(time.monotonic() - started, 1)
    return folder
