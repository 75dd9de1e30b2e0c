"""`raqo mine`: a retriever's preferences, from its feedback to the trace log."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from raqo import config_loader
from raqo.agents import prompts
from raqo.config import IfExists, RunConfig
from raqo.errors import ConfigError, DataError, FingerprintError, RaqoError, message
from raqo.evaluation.plain import flatten, plain
from raqo.files import write_json
from raqo.preference_data.trace_log import TraceLog, read_header
from raqo.protocols import Chat, Retriever
from raqo.records import Origin, RetrievalDataset
from raqo.workflows.mining_totals import totals
from raqo.workflows.parts import Parts
from raqo.workflows.progress import bar, say
from raqo.workflows.retry_failed import forget_failed
from raqo.workflows.run_folder import RunFolder, find_run
from raqo.workflows.teachers import PaidChat, chat_teachers, lexical_teachers, opened_chat, review_settings

if TYPE_CHECKING:
    from raqo.graphs.mining import MiningReport

# the settings that `settings_hash` is made of
_DECISIVE = ("mining.", "lexicon.", "review", "chat.model", "wordnet", "encoder", "seed")
_FREE = ("mining.batch", "mining.max_failure_rate")


def run_mining(
    parts: Parts,
    folder: RunFolder,
    *,
    if_exists: IfExists = "resume",
    budget: float | None = None,
    cached: bool = True,
    retry_failed: bool = False,
) -> dict[str, Any]:
    """Mine the training data into the trace log; queries that are in it already are not mined again.

    Args:
        parts: of the run.
        folder: where the log and its lexicon or its spending lie.
        if_exists: with ``replace`` a log of another retriever or of other settings is set aside under another name.
        budget: the most money that may be spent, earlier starts of this run included.
        cached: use the answer cache.
        retry_failed: queries with a failure are mined again.

    Returns:
        The report of this start and, under ``total``, of all starts, as JSON values; also written as ``mining.json``
        where anything was mined.

    Raises:
        BudgetError, StoppedError, FailureRateError: mining ended early; finished queries and answers are kept.
    """
    dataset, retriever = parts.searchable("train")
    folder.begin(parts.config)
    with opened_chat(parts, folder, budget=budget, cached=cached) as paid:
        decisive = settings_hash(parts.config, paid.chat if paid else None)
        if if_exists == "replace":
            _set_aside(folder, retriever.fingerprint, decisive)
        else:
            _check_settings(parts.config, folder, decisive)
        if retry_failed:
            forget_failed(folder.traces, retriever=retriever.fingerprint, settings=decisive)
        with TraceLog(folder.traces, retriever=retriever.fingerprint, settings=decisive) as log:
            report = _mine(parts, folder, dataset, retriever, log, paid, decisive)
        found = {**asdict(report), "total": totals(folder.traces, spent=paid.spent if paid else None)}
    if report.queries or not folder.mining.is_file():  # else it keeps telling of the start that did the work
        write_json(folder.mining, found)
    folder.save(parts.config)
    return found


def _mine(
    parts: Parts,
    folder: RunFolder,
    dataset: RetrievalDataset,
    retriever: Retriever,
    log: TraceLog,
    paid: PaidChat | None,
    decisive: str,
) -> MiningReport:
    # langgraph takes a second to import
    from raqo.graphs.mining import mine

    if paid:
        reviewer, perturber = chat_teachers(parts.config, dataset, paid.chat)
    else:
        inputs = f"{retriever.fingerprint}-{decisive}"
        reviewer, perturber = lexical_teachers(parts, folder, retriever, dataset, inputs)
    write_json(folder.retriever, {"fingerprint": retriever.fingerprint, "encoder": parts.encoder_fingerprint})
    already = _finished(log)
    if already:
        say(f"mine: {already} of {len(dataset.queries)} queries are in {folder.traces.name} already, reused")
    with bar("mine", len(dataset.queries), "queries", done=already) as shown:
        try:
            return mine(
                dataset,
                retriever=retriever,
                reviewer=reviewer,
                perturber=perturber,
                text_encoder=parts.text_encoder,
                sink=log,
                done=log.done,
                settings=replace(parts.config.mining, seed=parts.config.seed),
                asks_chat=paid is not None,
                progress=shown.update,
            )
        except RaqoError:
            kept = f"{_finished(log)} of {len(dataset.queries)} queries are in {folder.traces.name}"
            spent = paid.spent if paid else None
            say(f"mine: {kept}" + ("" if spent is None else f"; {spent:.6g} spent so far"))
            raise


def _finished(log: TraceLog) -> int:
    return sum(origin is Origin.OPTIMIZE for _, origin in log.done)


def _check_settings(config: RunConfig, folder: RunFolder, settings: str) -> None:
    """Say by name what was set otherwise when the log was mined; whether the log itself is sound is for it to say.

    Raises:
        FingerprintError: something was.
    """
    if not folder.traces.is_file():
        return
    try:
        if read_header(folder.traces).settings == settings:
            return
        before = find_run(folder.path)[1]
    except (DataError, ConfigError):
        return
    old, new = (dict(flatten(plain(one))) for one in (before, config))
    names = [name for name in new if name.startswith(_DECISIVE) and not name.startswith(_FREE)]
    changed = [f"{name} was {old.get(name)}, is {new[name]}" for name in names if old.get(name) != new[name]]
    problem = f"was mined with other settings ({'; '.join(changed) or 'than the folder holds now'})"
    fix = "use those, another --out, or --if-exists replace, which mines anew and keeps this log under another name"
    raise FingerprintError(message(str(folder.traces), problem, fix))


def _set_aside(folder: RunFolder, retriever: str, settings: str) -> None:
    """Keep traces that cost something, but out of the way of those of another retriever or other settings."""
    if not folder.traces.exists() or not folder.traces.stat().st_size:
        return
    header = read_header(folder.traces)
    if (header.retriever, header.settings) != (retriever, settings):
        aside = folder.traces.with_name(f"traces-{header.retriever[:8]}-{header.settings[:8]}.jsonl")
        folder.traces.replace(aside)
        say(f"mine: {folder.traces.name} was mined under other settings; kept as {aside.name}")


def settings_hash(config: RunConfig, chat: Chat | None) -> str:
    """Of everything that decides what a trace holds, beside the retriever.

    Batches, failure rates, prices and the way to a server are not among it.
    """
    mining = replace(config.mining, batch_size=None, batches_in_flight=None, max_failure_rate=0.0)
    if chat:
        asked = [config_loader.dump(review_settings(config)), chat.model, prompts.prompt_hash("review", "perturb")]
    else:
        asked = [config_loader.dump(config.lexicon), str(config.wordnet)]
    text = "\n".join([config_loader.dump(mining), *asked, config.encoder, str(config.seed)])
    return hashlib.sha256(text.encode()).hexdigest()[:16]
