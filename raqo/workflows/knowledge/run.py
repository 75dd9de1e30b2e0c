"""`raqo knowledge`, `raqo demo --task knowledge`: the loop over questions about pictures, and what it teaches."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from importlib import resources
from pathlib import Path
from typing import Any

from raqo import __version__, config_loader
from raqo.config import IfExists, RunConfig
from raqo.errors import ConfigError, message
from raqo.evaluation.knowledge_report import KnowledgeRow, format_rows, row
from raqo.files import write_json
from raqo.workflows.knowledge.captions import undescribed
from raqo.workflows.knowledge.data import KnowledgeData
from raqo.workflows.knowledge.preferences import log_preferences, train_rewriter
from raqo.workflows.knowledge.systems import BASELINE, System, looped, systems
from raqo.workflows.knowledge.task import KnowledgeTask
from raqo.workflows.parts import Parts
from raqo.workflows.progress import say
from raqo.workflows.run_folder import RunFolder, open_run
from raqo.workflows.teachers import PaidChat, paid_chat


def knowledge_config(*, quick: bool = False, overrides: tuple[str, ...] = ()) -> RunConfig:
    """The sample's own configuration of the knowledge task; the quick one has fewer questions."""
    smaller = ("knowledge.train.limit=100", "knowledge.evaluate.limit=100") if quick else ()
    with resources.as_file(resources.files("raqo.sample") / "sample_knowledge.yaml") as path:
        return config_loader.load(RunConfig, path, (*smaller, *overrides))


def run_knowledge(
    config: RunConfig,
    out: Path,
    *,
    if_exists: IfExists = "replace",
    trained: bool = False,
    budget: float | None = None,
    cached: bool = True,
) -> tuple[str, Path]:
    """Measure loop and plain searches on the held-out questions, and log preferences on the training questions.

    Args:
        config: of the run.
        out: the run folder.
        if_exists: what to do with one that is there.
        trained: also train a rewriter on the preferences, and run the loop with it.
        budget: the most money that chat models may cost, earlier starts of this run included.
        cached: use the answer cache.

    Returns:
        The table as text, and the path of ``report.json``.

    Raises:
        ConfigError: there is no section ``knowledge``, or nothing to train on.
        DataError: questions or passages cannot be used.
        BudgetError, StoppedError, FailureRateError: a chat model was in the way; what was answered is kept.
    """
    data = KnowledgeData(Parts(config))
    if trained and data.settings.train is None:
        fix = "name training questions, or leave --trained out"
        raise ConfigError(message("knowledge.train", "there is nothing to train on", fix))
    for dataset in (data.test, data.train):
        if dataset:
            counts = f"{len(dataset.questions):,} questions, {len(dataset.documents):,} passages"
            say(f"knowledge: {dataset.name} {dataset.split}: {counts}")
    folder, task = open_run(out, if_exists), KnowledgeTask(data)
    folder.begin(config)
    with _chat(data, folder, budget=budget, cached=cached) as paid:
        task.chat = paid.chat if paid else None
        measured, preferences = _run(task, folder, if_exists=if_exists, trained=trained)
    folder.save(config)
    write_json(folder.report, _report(task, measured, preferences, paid))
    mode, test = data.mode.label, data.test
    title = f"{test.name} · {test.split} · {len(test.questions)} questions · {mode} · per cent"
    return format_rows(measured, title=title), folder.report


def _chat(
    data: KnowledgeData, folder: RunFolder, *, budget: float | None, cached: bool
) -> AbstractContextManager[PaidChat | None]:
    """The chat model where it is asked: to expand, or to describe pictures that nobody else describes."""
    config, questions = data.parts.config, [*data.test.questions, *(data.train.questions if data.train else ())]
    describes = config.chat is not None and data.settings.keywords is None and bool(undescribed(questions))
    if config.expander == "chat" or describes:
        return paid_chat(data.parts, folder, budget=budget, cached=cached)
    return nullcontext()


def _run(
    task: KnowledgeTask, folder: RunFolder, *, if_exists: IfExists, trained: bool
) -> tuple[list[KnowledgeRow], dict[str, Any] | None]:
    preferences, runs = None, systems(task)
    if task.data.train is not None:
        with task.timed("mine_s"):
            preferences = log_preferences(task, task.data.train, folder, if_exists=if_exists)
    if trained:
        with task.timed("train_s"):
            expander = train_rewriter(task, folder, if_exists)
        runs["loop, trained rewriter"] = lambda: looped(task, task.captions, expander=expander)
    return _rows(task, runs), preferences


def _rows(task: KnowledgeTask, runs: dict[str, System]) -> list[KnowledgeRow]:
    measured = {}
    for name, run in runs.items():
        say(f"knowledge: {name}")
        with task.timed(name):
            rankings = run()
        measured[name] = task.measure(rankings)
    return [row(name, values, measured[BASELINE], task.data.mode) for name, values in measured.items()]


def _report(
    task: KnowledgeTask, rows: list[KnowledgeRow], preferences: dict[str, Any] | None, paid: PaidChat | None
) -> dict[str, Any]:
    test = task.data.test
    return {
        "task": test.name,
        "raqo": __version__,
        "mode": task.data.mode.label,
        "baseline": BASELINE,
        "questions": len(test.questions),
        "passages": len(test.documents),
        "captions": sum(map(bool, task.captions)),
        "rows": [one.as_json() for one in rows],
        "retriever": task.corpus.retriever.fingerprint,
        "preferences": preferences,
        "chat": paid and {"model": paid.chat.model, "spent": paid.spent, "failures": dict(task.failures)},
        "timing": task.seconds,
        "config": asdict(task.config),
    }
