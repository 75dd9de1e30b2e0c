"""`raqo knowledge --dry-run`: what would be measured and logged. Reads the data, loads no model and writes nothing."""

from __future__ import annotations

from pathlib import Path

from raqo.config import RunConfig
from raqo.preference_data.trace_log import read_traces
from raqo.records import KnowledgeDataset
from raqo.workflows.knowledge.captions import undescribed
from raqo.workflows.knowledge.data import KnowledgeData
from raqo.workflows.knowledge.passage_file import counted
from raqo.workflows.parts import Parts
from raqo.workflows.run_folder import RunFolder

# An answer that cannot be read is asked for once more.
_ASKED_AT_MOST = 2


def plan(config: RunConfig, out: Path, *, trained: bool) -> dict[str, str]:
    """Say for each step of `raqo.workflows.knowledge.run.run_knowledge` what it would do.

    Raises:
        ConfigError, DataError: the data cannot be used.
    """
    data, folder = KnowledgeData(Parts(config)), RunFolder(out)
    found = {"evaluate": _counted(data.test)}
    if data.train is not None:
        logged = sum(1 for _ in read_traces(folder.traces)) if folder.traces.is_file() else 0
        found["preferences"] = _counted(data.train) + (
            f"; {logged} are in {folder.traces.name} already" if logged else ""
        )
    if trained:
        found["train"] = "the rewriter, on the preferences"
    described = undescribed([*data.test.questions, *(data.train.questions if data.train else ())])
    if described:
        found["captions"] = f"{len(described)} pictures without caption, described by {_describer(config, data)}"
    calls = _calls(config, data, len(described), trained=trained)
    if calls:
        found["chat"] = f"at most {calls:,} calls; answers that are kept are not asked for again"
    return found


def _counted(dataset: KnowledgeDataset) -> str:
    questions = dataset.questions
    captions = sum(bool(one.caption) for one in questions)
    counts = f"{len(questions):,} questions ({captions:,} with caption), {counted(dataset.documents):,} passages"
    return f"{dataset.name} {dataset.split}: {counts}"


def _describer(config: RunConfig, data: KnowledgeData) -> str:
    if data.settings.keywords:
        return data.settings.keywords.model
    return config.chat.model if config.chat and config.chat.can.images else "nobody"


def _calls(config: RunConfig, data: KnowledgeData, described: int, *, trained: bool) -> int:
    """One of the resolver, one of the generation phase and one a round, for each question and system."""
    sees = config.chat is not None and config.chat.can.images and data.settings.keywords is None
    calls = described if sees else 0
    if config.expander == "chat":
        loops = 1 + trained + (4 + bool(data.settings.keywords) if config.ablations else 0)
        asked = loops * len(data.test.questions) + (len(data.train.questions) if data.train else 0)
        calls += asked * (2 + config.expansion.max_rounds)
    return calls * _ASKED_AT_MOST
