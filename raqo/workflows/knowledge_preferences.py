"""BM25's preferences from the expansion loop: the same log, data sets and training stages as for pictures."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

from raqo import __version__, config_loader
from raqo.agents import prompts
from raqo.config import IfExists, RunConfig
from raqo.preference_data.build import build, similarity_spread
from raqo.preference_data.trace_log import TraceLog, read_header, read_traces
from raqo.protocols import Expander
from raqo.records import Provenance, Trace, Verdict
from raqo.workflows.knowledge_task import KnowledgeTask
from raqo.workflows.progress import say
from raqo.workflows.run_folder import RunFolder


def log_preferences(task: KnowledgeTask, folder: RunFolder, *, if_exists: IfExists = "resume") -> dict[str, Any]:
    """Run the loop on the training questions, judge all it tried by their answers, and build the preference data.

    A log that is there already is read, not made again; with ``replace``, one of other settings is put aside.

    Returns:
        Traces by verdict on question and caption, attempts that helped, and rows by table.
    """
    from raqo.preference_data.export import export

    settings = _settings_hash(task.parts.config)
    if if_exists == "replace" and folder.traces.is_file():
        header = read_header(folder.traces)
        if (header.retriever, header.settings) != (task.retriever.fingerprint, settings):
            aside = folder.traces.with_name(f"traces-{header.retriever[:8]}-{header.settings[:8]}.jsonl")
            folder.traces.replace(aside)
            say(f"knowledge: {folder.traces.name} was made under other settings; kept as {aside.name}")
    with TraceLog(folder.traces, retriever=task.retriever.fingerprint, settings=settings) as log:
        if not log.done:
            log.write(_traces(task))
    traces = list(read_traces(folder.traces))
    build_settings = replace(task.parts.config.build, seed=task.parts.config.seed)
    data = build(traces, build_settings, prompts, spread=similarity_spread(traces))
    export(data, folder.data)
    found = {verdict.value: sum(trace.raw.verdict is verdict for trace in traces) for verdict in Verdict}
    helped = sum(attempt.accepted for trace in traces for attempt in trace.attempts)
    tables = {"ccd": len(data.ccd), "qre": len(data.qre), "pro": len(data.pro), "pairs": len(data.pairs)}
    return {**found, "attempts": sum(len(trace.attempts) for trace in traces), "helped": helped, **tables}


def train_rewriter(task: KnowledgeTask, folder: RunFolder, if_exists: IfExists) -> Expander:
    """Train the rewriter of the configuration on the logged preferences; it expands beside the built-in expander."""
    from raqo.agents.rewriter import LocalRewriter
    from raqo.agents.rewriter_expander import RewriterExpander
    from raqo.workflows.train import run_training

    *_, last = run_training(task.parts, folder, if_exists=if_exists)
    rewriter = LocalRewriter(last.folder, settings=task.parts.config.rewriter)
    return RewriterExpander(rewriter, refiner=task.expander)


def _settings_hash(config: RunConfig) -> str:
    """Of everything that decides what is tried and how it is judged, beside the retriever."""
    deciding = (config.data.train, config.expansion, config.resolver, config.feedback, config.mining)
    text = "\n".join([*map(config_loader.dump, deciding), config.encoder, str(config.seed)])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _traces(task: KnowledgeTask) -> list[Trace]:
    from raqo.graphs.expansion_mining import judge_expansions

    say("knowledge: the loop on the training questions, for preferences")
    questions = task.train.questions
    results = task.expand(task.train, [question.caption for question in questions])
    provenance = Provenance(
        retriever=task.retriever.fingerprint,
        gallery_size=task.retriever.size,
        reviewer=task.expander.name,
        prompt_hash=task.expander.prompt_hash,
        seed=task.parts.config.seed,
        code_version=__version__,
    )
    return judge_expansions(
        results,
        {question.query.query_id: question.targets for question in questions},
        retriever=task.retriever,
        text_encoder=task.parts.text_encoder,
        provenance=provenance,
        settings=task.parts.config.mining,
    )
