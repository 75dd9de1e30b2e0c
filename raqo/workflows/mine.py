"""`raqo mine`: a retriever's preferences, from its feedback to the trace log."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from raqo import config_loader
from raqo.agents import prompts
from raqo.config import IfExists, RunConfig
from raqo.errors import RaqoError
from raqo.files import write_json
from raqo.preference_data.trace_log import TraceLog, read_header
from raqo.protocols import Chat, Retriever
from raqo.records import Origin, RetrievalDataset
from raqo.workflows.mining_totals import totals
from raqo.workflows.parts import Parts
from raqo.workflows.progress import bar, say
from raqo.workflows.retry_failed import forget_failed
from raqo.workflows.run_folder import RunFolder
from raqo.workflows.teachers import PaidChat, chat_teachers, lexical_teachers, opened_chat, review_settings

if TYPE_CHECKING:
    from raqo.graphs.mining import MiningReport


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
        The report of this start and, under ``total``, of all starts, as JSON values; also written as ``mining.json``.

    Raises:
        BudgetError, StoppedError, FailureRateError: mining ended early; finished queries and answers are kept.
    """
    dataset, retriever = mining_inputs(parts)
    with opened_chat(parts, folder, budget=budget, cached=cached) as paid:
        decisive = settings_hash(parts.config, paid.chat if paid else None)
        if if_exists == "replace":
            _set_aside(folder, retriever.fingerprint, decisive)
        if retry_failed:
            forget_failed(folder.traces, retriever=retriever.fingerprint, settings=decisive)
        with TraceLog(folder.traces, retriever=retriever.fingerprint, settings=decisive) as log:
            report = _mine(parts, folder, dataset, retriever, log, paid, decisive)
        found = {**asdict(report), "total": totals(folder.traces, spent=paid.spent if paid else None)}
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
    with bar("mine", len(dataset.queries), "queries") as shown:
        already = _finished(log)
        if already:
            say(f"mine: {already} of {len(dataset.queries)} queries are in {folder.traces.name} already, reused")
            shown.update(already)
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


def mining_inputs(parts: Parts) -> tuple[RetrievalDataset, Retriever]:
    """The training data without what cannot be found, and their retriever."""
    dataset = parts.dataset("train")
    retriever = parts.gallery(dataset.documents)
    return _reachable(dataset, retriever), retriever


def _set_aside(folder: RunFolder, retriever: str, settings: str) -> None:
    """Keep traces that cost something, but out of the way of those of another retriever or other settings."""
    if not folder.traces.exists() or not folder.traces.stat().st_size:
        return
    header = read_header(folder.traces)
    if (header.retriever, header.settings) != (retriever, settings):
        aside = folder.traces.with_name(f"traces-{header.retriever[:8]}-{header.settings[:8]}.jsonl")
        folder.traces.replace(aside)
        say(f"mine: {folder.traces.name} was mined under other settings; kept as {aside.name}")


def _reachable(dataset: RetrievalDataset, retriever: Retriever) -> RetrievalDataset:
    """Leave out queries whose targets could not be indexed (``on_error: skip``)."""
    missing = {skipped.doc_id for skipped in getattr(retriever, "skipped", ())}
    if not missing:
        return dataset
    left = {key: tuple(doc_id for doc_id in ids if doc_id not in missing) for key, ids in dataset.targets.items()}
    queries = tuple(query for query in dataset.queries if left[query.query_id])
    say(f"mine: {len(dataset.queries) - len(queries)} queries left out, their pictures could not be read")
    return replace(dataset, queries=queries, targets={query.query_id: left[query.query_id] for query in queries})


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
