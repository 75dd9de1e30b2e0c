"""`raqo demo --task knowledge`: the expansion loop on questions about pictures, ablations, and preferences from it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from importlib import resources
from pathlib import Path

from raqo import __version__, config_loader
from raqo.config import IfExists, RunConfig
from raqo.evaluation.knowledge_report import KnowledgeRow, format_rows, row
from raqo.files import write_json
from raqo.graphs.expansion_settings import ExpansionSettings
from raqo.protocols import Expander
from raqo.records import Failure, Ranking
from raqo.workflows.knowledge_preferences import log_preferences, train_rewriter
from raqo.workflows.knowledge_task import KnowledgeTask
from raqo.workflows.parts import Parts
from raqo.workflows.progress import say
from raqo.workflows.run_folder import open_run

BASELINE = "question + caption"


def knowledge_config(*, quick: bool = False, overrides: tuple[str, ...] = ()) -> RunConfig:
    """The sample's own configuration of the knowledge task; the quick one has fewer questions."""
    smaller = ("data.train.limit=100", "data.evaluate.test.limit=100") if quick else ()
    with resources.as_file(resources.files("raqo.sample") / "sample_knowledge.yaml") as path:
        return config_loader.load(RunConfig, path, (*smaller, *overrides))


def run_knowledge(
    config: RunConfig, out: Path, *, if_exists: IfExists = "replace", trained: bool = False
) -> tuple[str, Path]:
    """Run loop and ablations on the held-out questions, and log preferences on the training questions.

    Args:
        config: of the run; its data must be the sample's.
        out: the run folder.
        if_exists: what to do with one that is there.
        trained: also train a rewriter on the preferences, and run the loop with it.

    Returns:
        The table as text, and the path of ``report.json``.
    """
    folder, task = open_run(out, config, if_exists), KnowledgeTask(Parts(config))
    systems: dict[str, Callable[[], list[Ranking]]] = {**_searches(task), **_loops(task)}
    with task.timed("mine_s"):
        preferences = log_preferences(task, folder, if_exists=if_exists)
    if trained:
        with task.timed("train_s"):
            expander = train_rewriter(task, folder, if_exists)
        systems["loop, trained rewriter"] = lambda: _looped(task, _captions(task), expander=expander)
    rows = _rows(task, systems)
    report = {
        "task": task.test.name,
        "raqo": __version__,
        "mode": task.mode.label,
        "baseline": BASELINE,
        "rows": [one.as_json() for one in rows],
        "retriever": task.retriever.fingerprint,
        "preferences": preferences,
        "timing": task.seconds,
        "config": asdict(config),
    }
    write_json(folder.report, report)
    count = len(task.test.questions)
    title = f"{task.test.name} · {task.test.split} · {count} questions · {task.mode.label} · per cent"
    return format_rows(rows, title=title), folder.report


def _searches(task: KnowledgeTask) -> dict[str, Callable[[], list[Ranking]]]:
    """Plain searches: what the loop has to beat, and what it could reach."""
    questions = task.test.questions
    return {
        "question only": lambda: task.search([one.query.text for one in questions]),
        BASELINE: lambda: task.search([f"{one.query.text} {one.caption}" for one in questions]),
        "caption only": lambda: task.search(_captions(task)),
        "oracle: object named in the corpus's words": lambda: task.search([one.reference for one in questions]),
    }


def _loops(task: KnowledgeTask) -> dict[str, Callable[[], list[Ranking]]]:
    """The loop, its fusion by ranks, and the ablations of the paper's Table 2 that exist without a language model."""
    settings, captions = task.parts.config.expansion, _captions(task)
    unexpanded = replace(settings, weights=replace(settings.weights, expansion=0.0), max_rounds=0)
    return {
        "loop": lambda: _looped(task, captions),
        "loop, reciprocal rank fusion": lambda: _looped(task, captions, settings=replace(settings, fusion="rrf")),
        "loop without optimisation": lambda: _looped(task, captions, settings=replace(settings, max_rounds=0)),
        "loop without picture": lambda: _looped(task, [""] * len(captions)),
        "loop without caption (keywords from the picture)": lambda: _looped(task, _keywords(task)),
        "loop without expansion": lambda: _looped(task, captions, settings=unexpanded),
    }


def _looped(
    task: KnowledgeTask,
    captions: Sequence[str],
    *,
    settings: ExpansionSettings | None = None,
    expander: Expander | None = None,
) -> list[Ranking]:
    return [one.ranking for one in task.expand(task.test, captions, settings=settings, expander=expander)]


def _captions(task: KnowledgeTask) -> list[str]:
    return [question.caption for question in task.test.questions]


def _keywords(task: KnowledgeTask) -> list[str]:
    """What the sample's CLIP sees in the pictures, out of the words that training captions are about."""
    from raqo.agents.noun_chunks import chunks
    from raqo.agents.picture_keywords import PictureKeywords
    from raqo.retrievers.build import build_encoder
    from raqo.retrievers.settings import RetrieverSettings
    from raqo.sample.weights import CLIP_DIR

    heads = sorted({chunk[-1] for question in task.train.questions for chunk in chunks(question.caption)})
    encoder = build_encoder(RetrieverSettings(kind="clip", model=f"local-dir:{CLIP_DIR}"))
    found = PictureKeywords(encoder, heads, n=3).caption([one.query.image or "" for one in task.test.questions])
    return ["" if isinstance(one.answer, Failure) else one.answer for one in found]


def _rows(task: KnowledgeTask, systems: dict[str, Callable[[], list[Ranking]]]) -> list[KnowledgeRow]:
    measured = {}
    for name, run in systems.items():
        say(f"knowledge: {name}")
        with task.timed(name):
            rankings = run()
        measured[name] = task.measure(rankings)
    return [row(name, values, measured[BASELINE], task.mode) for name, values in measured.items()]
