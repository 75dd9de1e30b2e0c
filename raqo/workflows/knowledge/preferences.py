"""The retriever's preferences from the expansion loop: the same log, data sets and training stages as for pictures."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from itertools import compress
from typing import Any

from raqo import __version__, config_loader
from raqo.agents import prompts
from raqo.config import IfExists
from raqo.errors import DataError, message
from raqo.evaluation.pseudo_relevance import answers_of, relevance
from raqo.files import write_json
from raqo.graphs.expansion_state import ExpansionResult
from raqo.preference_data.build import build, similarity_spread
from raqo.preference_data.trace_log import TraceLog, read_header, read_traces
from raqo.protocols import Expander
from raqo.records import KnowledgeDataset, Provenance, Question, Trace, Verdict
from raqo.workflows.knowledge.task import KnowledgeTask
from raqo.workflows.progress import bar, say
from raqo.workflows.run_folder import RunFolder


def log_preferences(
    task: KnowledgeTask, dataset: KnowledgeDataset, folder: RunFolder, *, if_exists: IfExists = "resume"
) -> dict[str, Any]:
    """Run the loop on the training questions, judge all it tried by their answers, and build the preference data.

    Questions that a log holds already are not asked again; with ``replace``, a log of other settings is put aside.

    Returns:
        Traces by verdict on question and caption, attempts that helped, questions without a right passage, and rows by
        table.

    Raises:
        DataError: no passage that was found holds an answer.
    """
    from raqo.preference_data.export import export

    retriever, settings = task.train_corpus.retriever.fingerprint, _settings_hash(task)
    if if_exists == "replace" and folder.traces.is_file():
        header = read_header(folder.traces)
        if (header.retriever, header.settings) != (retriever, settings):
            aside = folder.traces.with_name(f"traces-{header.retriever[:8]}-{header.settings[:8]}.jsonl")
            folder.traces.replace(aside)
            say(f"knowledge: {folder.traces.name} was made under other settings; kept as {aside.name}")
    unanswered = _Unanswered(folder, f"{retriever}-{settings}")
    with TraceLog(folder.traces, retriever=retriever, settings=settings) as log:
        write_json(folder.retriever, {"fingerprint": retriever, "encoder": task.data.parts.encoder_fingerprint})
        _log_missing(task, dataset, log, unanswered)
    traces = list(read_traces(folder.traces))
    if not traces:
        problem = f"none of the passages found for {len(dataset.questions)} training questions holds an answer"
        raise DataError(message("knowledge.train", problem, "check that questions and passages belong together"))
    build_settings = replace(task.config.build, seed=task.config.seed)
    data = build(traces, build_settings, prompts, spread=similarity_spread(traces))
    export(data, folder.data)
    found = {verdict.value: sum(trace.raw.verdict is verdict for trace in traces) for verdict in Verdict}
    helped = sum(attempt.accepted for trace in traces for attempt in trace.attempts)
    tables = {"ccd": len(data.ccd), "qre": len(data.qre), "pro": len(data.pro), "pairs": len(data.pairs)}
    attempts = sum(len(trace.attempts) for trace in traces)
    return {**found, "unanswered": len(unanswered.ids), "attempts": attempts, "helped": helped, **tables}


def train_rewriter(task: KnowledgeTask, folder: RunFolder, if_exists: IfExists) -> Expander:
    """Train the rewriter of the configuration on the logged preferences; it expands beside the other expander."""
    from raqo.agents.rewriter import LocalRewriter
    from raqo.agents.rewriter_expander import RewriterExpander
    from raqo.workflows.train import run_training

    *_, last = run_training(task.data.parts, folder, if_exists=if_exists)
    rewriter = LocalRewriter(last.folder, settings=task.config.rewriter)
    return RewriterExpander(rewriter, refiner=task.expander(task.corpus))


class _Unanswered:
    """Training questions for which nothing that was found is right: they have no trace, and need not be asked again."""

    def __init__(self, folder: RunFolder, inputs: str) -> None:
        self._path, self._inputs = folder.path / "unanswered.json", inputs
        kept = json.loads(self._path.read_text(encoding="utf-8")) if self._path.is_file() else {}
        self.ids: list[str] = kept["questions"] if kept.get("inputs") == inputs else []

    def add(self, ids: Sequence[str]) -> None:
        """Write more of them down."""
        self.ids += ids
        write_json(self._path, {"inputs": self._inputs, "questions": self.ids})


def _settings_hash(task: KnowledgeTask) -> str:
    """Of everything that decides what is tried and how it is judged, beside the retriever.

    How many questions are asked and how they go into batches is not among it.
    """
    config, settings = task.config, task.data.settings
    asked = [task.chat.model, prompts.prompt_hash("caption", "resolve", "expand", "optimise")] if task.chat else []
    deciding = (
        settings.train and replace(settings.train, name="", limit=None, seed=0, on_error="fail", counts="ignore"),
        settings.relevance,
        settings.keywords,
        replace(config.expansion, batch_size=1),
        config.resolver,
        config.feedback,
        replace(config.mining, batch_size=None, batches_in_flight=None, max_failure_rate=0.0),
    )
    text = "\n".join([*map(config_loader.dump, deciding), config.expander, *asked, config.encoder, str(config.seed)])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _log_missing(task: KnowledgeTask, dataset: KnowledgeDataset, log: TraceLog, unanswered: _Unanswered) -> None:
    """Batch by batch, so that a run that is killed goes on where it was."""
    known = {query_id for query_id, _ in log.done} | set(unanswered.ids)
    rows = [row for row, question in enumerate(dataset.questions) if question.query.query_id not in known]
    if not rows:
        say(f"knowledge: all {len(dataset.questions)} training questions are in {log.path.name} already, reused")
        return
    by_id = {dataset.questions[row].query.query_id: dataset.questions[row] for row in rows}
    queries = [dataset.questions[row].query for row in rows]
    captions = [task.train_captions[row] for row in rows]
    say("knowledge: the loop on the training questions, for preferences")
    with bar("preferences", len(rows), "questions") as shown:
        for results in task.expand(queries, captions, corpus=task.train_corpus):
            targets = _targets(task, [by_id[one.query.query_id] for one in results], results)
            judged = [one for one in results if one.query.query_id in targets]
            log.write(_traces(task, judged, targets))
            unanswered.add([one.query.query_id for one in results if one.query.query_id not in targets])
            shown.update(len(results))


def _targets(
    task: KnowledgeTask, questions: Sequence[Question], results: Sequence[ExpansionResult]
) -> dict[str, tuple[str, ...]]:
    """Query id -> the passages named as right, where the corpus has them; else those found that hold an answer."""
    from raqo.graphs.expansion_mining import found_passages

    texts, mode = task.train_corpus.texts, task.data.mode
    named = {one.query.query_id: tuple(doc_id for doc_id in one.targets if doc_id in texts) for one in questions}
    unnamed = [one for one in results if not named[one.query.query_id]]
    found = found_passages(unnamed, retriever=task.train_corpus.retriever, settings=task.config.mining)
    for question in questions:
        query_id = question.query.query_id
        if query_id in found:
            answers = answers_of(question, mode.answers)
            right = relevance([texts[doc_id] for doc_id in found[query_id]], answers, mode.match)
            named[query_id] = tuple(compress(found[query_id], right))
    return {query_id: ids for query_id, ids in named.items() if ids}


def _traces(
    task: KnowledgeTask, results: Sequence[ExpansionResult], targets: dict[str, tuple[str, ...]]
) -> list[Trace]:
    from raqo.graphs.expansion_mining import judge_expansions

    corpus, expander = task.train_corpus, task.expander(task.train_corpus)
    provenance = Provenance(
        retriever=corpus.retriever.fingerprint,
        gallery_size=corpus.retriever.size,
        reviewer=expander.name,
        prompt_hash=expander.prompt_hash,
        seed=task.config.seed,
        code_version=__version__,
    )
    return judge_expansions(
        results,
        targets,
        retriever=corpus.retriever,
        text_encoder=task.data.parts.text_encoder,
        provenance=provenance,
        settings=task.config.mining,
    )
