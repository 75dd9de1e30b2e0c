"""The command line: one verb, one function call. Heavy imports happen inside the verbs."""

from __future__ import annotations

import argparse
import json
import math
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raqo import __version__
from raqo.errors import BudgetError, ConfigError, FailureRateError, RaqoError, StoppedError, message

if TYPE_CHECKING:
    from raqo.config import RunConfig

DESCRIPTION = "Mine a retriever's preferences, train a query rewriter on them, serve it, measure it."


def main(argv: Sequence[str] | None = None) -> int:
    """Run a verb; 0 done, 1 failed, 2 wrong use."""
    arguments, rest = _parser().parse_known_args(argv)
    overrides = [item for item in rest if "=" in item and not item.startswith("-")]
    unknown = [item for item in rest if item not in overrides]
    if unknown:
        print(f"raqo: unknown argument {unknown[0]!r}; see `raqo {arguments.verb} --help`.", file=sys.stderr)
        return 2
    arguments.overrides = tuple(overrides)
    # nothing of raqo's needs telemetry, and a missing network must not cost time-outs
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    # threads of torch that spin long while they wait bring a machine shared with other work to a standstill
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")
    try:
        run: Callable[[argparse.Namespace], None] = arguments.run
        run(arguments)
    except ConfigError as error:
        print(f"raqo: {error}", file=sys.stderr)
        return 2
    except RaqoError as error:
        print(f"raqo: {error}", file=sys.stderr)
        if arguments.verb in ("mine", "run") and _ended_early(error):
            print(f"raqo: to go on: {_resume(arguments, error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("raqo: stopped; what was finished is kept, run the same command again to go on.", file=sys.stderr)
        return 1
    return 0


def _ended_early(error: RaqoError) -> bool:
    """Whether everything is in order and the work can go on where it stopped."""
    return isinstance(error, BudgetError | StoppedError | FailureRateError)


def _resume(arguments: argparse.Namespace, error: RaqoError) -> str:
    """The command that goes on; where money ran out, with twice the budget."""
    words = ["raqo", arguments.verb, "--config", str(arguments.config), "--out", str(arguments.out)]
    budget = getattr(arguments, "budget", None)
    if budget is not None:
        words += ["--budget", f"{2 * budget if isinstance(error, BudgetError) else budget:g}"]
    if getattr(arguments, "no_cache", False):
        words.append("--no-cache")
    if arguments.if_exists == "replace":
        words += ["--if-exists", "replace"]
    return shlex.join([*words, *arguments.overrides])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="raqo", description=DESCRIPTION)
    parser.add_argument("--version", action="version", version=f"raqo {__version__}")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")

    verb = _verb(verbs, "demo", _demo, "the whole loop on the built-in sample world")
    verb.add_argument("--quick", action="store_true", help="a small part of it, in at most 90 seconds")
    verb.add_argument("--seed", type=int, default=0, help="of mining and training")
    verb.add_argument(
        "--task",
        choices=("pictures", "knowledge"),
        default="pictures",
        help="texts that search pictures, or questions about pictures that search passages",
    )
    verb.add_argument("--trained", action="store_true", help="knowledge: also train a rewriter on the preferences")
    _out(verb, default="runs/demo", if_exists="replace")
    verb.set_defaults(out=None)

    verb = _verb(verbs, "mine", _mine, "mine preferences from the retriever's feedback")
    _config(verb)
    _out(verb, default=None, if_exists="resume")
    _dry_run(verb, "estimate calls, tokens and money from a sample of the queries; nothing is paid or written")
    verb.add_argument("--budget", type=_money, metavar="MONEY", help="stop before more is spent in this run folder")
    verb.add_argument("--no-cache", action="store_true", help="ask the chat model even where an answer is kept")
    verb.add_argument("--retry-failed", action="store_true", help="mine the queries whose answers failed once more")

    for name, function, text in (
        ("run", _run, "mine, build-data, train all and evaluate, one after the other"),
        ("build-data", _build_data, "make the preference data sets from the mined traces"),
        ("evaluate", _evaluate, "compare the trained rewriter with the raw queries"),
    ):
        verb = _verb(verbs, name, function, text)
        _config(verb)
        _out(verb, default=None, if_exists="resume")
        _dry_run(verb)

    verb = _verb(verbs, "train", _train, "train stages on the preference data")
    verb.add_argument("stage", choices=("ccd", "qre", "pro", "all"))
    _config(verb)
    _out(verb, default=None, if_exists="resume")
    _dry_run(verb)

    verb = _verb(verbs, "rewrite", _rewrite, "rewrite one query and show what it finds before and after")
    verb.add_argument("text")
    verb.add_argument("--rewriter", type=Path, required=True, metavar="RUN", help="a run folder")
    _gallery(verb)

    verb = _verb(verbs, "serve", _serve, "serve a trained rewriter behind an OpenAI-compatible endpoint")
    verb.add_argument("--rewriter", type=Path, required=True, metavar="RUN", help="a run folder or a model folder")
    verb.add_argument("--host", default="127.0.0.1")
    verb.add_argument("--port", type=int, default=8000, help="0 for any free one")
    verb.add_argument("--engine", choices=("auto", "vllm", "transformers"), default="auto")
    verb.add_argument("--engine-python", default=sys.executable, help="Python of the environment that has vLLM")
    verb.add_argument("--engine-args", default="", help="more arguments for the engine, as one text")
    verb.add_argument("--api-key-env", metavar="NAME", help="environment variable with the key that clients must send")
    verb.add_argument("--max-request-bytes", type=int, default=1_000_000)
    verb.add_argument("--lora-dir", type=Path, help="adapters below it may be loaded while serving (vLLM)")

    verb = _verb(verbs, "doctor", _doctor, "say what is installed, what answers, and how to mend what is not well")
    verb.add_argument(
        "--server", action="append", default=[], metavar="[PRESET=]URL", help="a chat server (repeatable)"
    )
    verb.add_argument("--api-key-env", metavar="NAME", help="environment variable with the servers' key")
    verb.add_argument("--images", action="store_true", help="send the servers a small picture too")

    verb = _verb(verbs, "search", _search, "search with one query as it is")
    verb.add_argument("text")
    _config(verb)
    _gallery(verb)

    verb = _verb(verbs, "index", _index, "index the galleries of a configuration ahead of time")
    _config(verb)

    verb = _verb(verbs, "check", _check, "read a configuration and its data, and say what is wrong with them")
    _config(verb)

    verb = _verb(verbs, "cache", _cache, "the answers of chat models that are kept for later runs")
    verb.add_argument("action", choices=("prune",), help="remove them")
    verb.add_argument("--older-than", type=_days, metavar="DAYS", help="only those older than this")
    verb.add_argument("--cache-dir", type=Path, default=Path("runs/cache"), help="as in the configuration")

    verb = _verb(verbs, "sample", _sample, "make the sample world's shipped models anew")
    verb.add_argument("action", choices=("build",))
    verb.add_argument("--model", choices=("clip", "base_lm"), action="append", help="only this one (repeatable)")
    verb.add_argument("--seed", type=int, default=0)
    verb.add_argument("--out", type=Path, required=True, help="folder for the weights")
    return parser


def _verb(verbs: Any, name: str, function: Callable[[argparse.Namespace], None], text: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = verbs.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.set_defaults(run=function)
    return parser


def _config(parser: argparse.ArgumentParser) -> None:
    parser.epilog = "Any setting can be overridden: mining.max_rounds=3 training.pro.epochs=2"
    parser.add_argument("--config", type=Path, required=True, help="a YAML file; see configs/")


def _out(parser: argparse.ArgumentParser, *, default: str | None, if_exists: str) -> None:
    parser.add_argument(
        "--out", type=Path, required=default is None, default=default and Path(default), help="the run folder"
    )
    parser.add_argument(
        "--if-exists",
        choices=("fail", "resume", "replace"),
        default=if_exists,
        help="a run folder that is there already: refuse it, go on with it, or also remake parts whose inputs changed",
    )


def _dry_run(
    parser: argparse.ArgumentParser, text: str = "say what would be done and what reused; nothing is written"
) -> None:
    parser.add_argument("--dry-run", action="store_true", help=text)


def _money(text: str) -> float:
    return _amount(text, "money", "5.00")


def _days(text: str) -> float:
    return _amount(text, "days", "30")


def _amount(text: str, what: str, example: str) -> float:
    try:
        amount = float(text)
    except ValueError:
        amount = math.nan
    if not (math.isfinite(amount) and amount >= 0):
        raise argparse.ArgumentTypeError(f"expected an amount of {what}, got {text!r}; give for example {example}")
    return amount


def _gallery(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--gallery", help="which of the run's data sets is searched (default: the first evaluated one)")
    parser.add_argument("-k", type=int, default=5, help="hits to show")


def _load(arguments: argparse.Namespace) -> RunConfig:
    from raqo.config import load_config

    return load_config(arguments.config, arguments.overrides)


def _print(arguments: argparse.Namespace, value: dict[str, Any], text: str) -> None:
    print(json.dumps(value, indent=2, ensure_ascii=False) if arguments.json else text)


def _demo(arguments: argparse.Namespace) -> None:
    from raqo.workflows.demo import demo_config, run_all

    overrides = (f"seed={arguments.seed}", *arguments.overrides)
    out = arguments.out or Path("runs") / ("knowledge" if arguments.task == "knowledge" else "demo")
    if arguments.task == "knowledge":
        from raqo.workflows.knowledge import knowledge_config, run_knowledge

        config = knowledge_config(quick=arguments.quick, overrides=overrides)
        found = run_knowledge(config, out, if_exists=arguments.if_exists, trained=arguments.trained)
        _finish(arguments, *found)
        return
    config = demo_config(quick=arguments.quick, overrides=overrides)
    _finish(arguments, *run_all(config, out, if_exists=arguments.if_exists))


def _run(arguments: argparse.Namespace) -> None:
    if arguments.dry_run:
        from raqo.workflows.dry_run import RUN

        _plan(arguments, RUN)
        return
    from raqo.workflows.demo import run_all

    _finish(arguments, *run_all(_load(arguments), arguments.out, if_exists=arguments.if_exists))


def _plan(arguments: argparse.Namespace, steps: Sequence[str]) -> None:
    from raqo.workflows.dry_run import plan

    found = plan(_load(arguments), arguments.out, steps, if_exists=arguments.if_exists)
    _print(arguments, found, "\n".join(f"{step}: {text}" for step, text in found.items()))


def _finish(arguments: argparse.Namespace, table: str, page: Path) -> None:
    report = json.loads(page.with_name("report.json").read_text(encoding="utf-8"))
    _print(arguments, report, f"{table}\n\nreport: {page}")


def _mine(arguments: argparse.Namespace) -> None:
    from raqo.workflows.mine import run_mining
    from raqo.workflows.parts import Parts
    from raqo.workflows.run_folder import open_run

    config = _load(arguments)
    if arguments.dry_run:
        from raqo.workflows.estimate import as_table, estimate

        found = estimate(Parts(config), arguments.out)
        _print(arguments, asdict(found), as_table(found))
        return
    folder = open_run(arguments.out, config, arguments.if_exists)
    report = run_mining(
        Parts(config),
        folder,
        if_exists=arguments.if_exists,
        budget=arguments.budget,
        cached=not arguments.no_cache,
        retry_failed=arguments.retry_failed,
    )
    _print(arguments, report, "\n".join(f"{name}: {value}" for name, value in report.items()))


def _build_data(arguments: argparse.Namespace) -> None:
    if arguments.dry_run:
        _plan(arguments, ("build-data",))
        return
    from raqo.workflows.build_data import run_build
    from raqo.workflows.parts import Parts
    from raqo.workflows.run_folder import open_run

    config = _load(arguments)
    folder = open_run(arguments.out, config, arguments.if_exists)
    rows = run_build(Parts(config), folder)
    _print(arguments, rows, "\n".join(f"{name}: {count} rows" for name, count in rows.items()))


def _train(arguments: argparse.Namespace) -> None:
    if arguments.dry_run:
        named = ("ccd", "qre", "pro") if arguments.stage == "all" else (arguments.stage,)
        _plan(arguments, [f"train {stage}" for stage in named])
        return
    from raqo.workflows.parts import Parts
    from raqo.workflows.run_folder import open_run
    from raqo.workflows.train import STAGES, run_training

    config = _load(arguments)
    folder = open_run(arguments.out, config, arguments.if_exists)
    stages = STAGES if arguments.stage == "all" else (arguments.stage,)
    results = run_training(Parts(config), folder, stages=stages, if_exists=arguments.if_exists)
    found: dict[str, Any] = {result.stage: {"folder": str(result.folder), **result.metrics} for result in results}
    _print(arguments, found, "\n".join(f"{stage}: {values}" for stage, values in found.items()))


def _evaluate(arguments: argparse.Namespace) -> None:
    if arguments.dry_run:
        _plan(arguments, ("evaluate",))
        return
    from raqo.evaluation.table import format_table
    from raqo.workflows.evaluate import run_evaluation
    from raqo.workflows.parts import Parts
    from raqo.workflows.run_folder import open_run

    config = _load(arguments)
    folder = open_run(arguments.out, config, arguments.if_exists)
    rows = run_evaluation(Parts(config), folder).rows
    _print(arguments, {"rows": [row.as_json() for row in rows]}, format_table(rows))


def _rewrite(arguments: argparse.Namespace) -> None:
    from raqo.records import RewriteResult
    from raqo.workflows.rewrite import rewrite_one
    from raqo.workflows.show import result_json, result_text

    for step in rewrite_one(arguments.text, arguments.rewriter, gallery=arguments.gallery, k=arguments.k):
        if isinstance(step, RewriteResult):
            _print(arguments, result_json(step), result_text(step))


def _serve(arguments: argparse.Namespace) -> None:
    from raqo.workflows.serve import serve

    serve(
        arguments.rewriter,
        host=arguments.host,
        port=arguments.port,
        engine=arguments.engine,
        engine_python=arguments.engine_python,
        engine_arguments=tuple(shlex.split(arguments.engine_args)),
        api_key_env=arguments.api_key_env,
        max_request_bytes=arguments.max_request_bytes,
        lora_dir=arguments.lora_dir,
    )


def _doctor(arguments: argparse.Namespace) -> None:
    from raqo.workflows.doctor import examine
    from raqo.workflows.findings import table

    found = examine(arguments.server, api_key_env=arguments.api_key_env, images=arguments.images)
    _print(arguments, {"findings": [asdict(one) for one in found]}, table(found))
    bad = sum(one.state == "bad" for one in found)
    if bad:
        raise RaqoError(message("doctor", f"{bad} findings are bad", "follow the fixes above"))


def _search(arguments: argparse.Namespace) -> None:
    from raqo.workflows.parts import Parts
    from raqo.workflows.rewrite import search_one

    ranking, documents = search_one(arguments.text, Parts(_load(arguments)), gallery=arguments.gallery, k=arguments.k)
    hits = [
        {"rank": rank, "doc_id": hit.doc_id, "score": hit.score, "shows": document.image or document.text}
        for rank, hit in enumerate(ranking.hits, start=1)
        for document in (documents[hit.doc_id],)
    ]
    text = "\n".join(f"{hit['rank']:>3}  {hit['score']:.4f}  {hit['doc_id']}  {hit['shows']}" for hit in hits)
    _print(arguments, {"hits": hits}, text or "nothing found")


def _index(arguments: argparse.Namespace) -> None:
    from raqo.workflows.parts import Parts

    config = _load(arguments)
    parts = Parts(config)
    found = {}
    for name in ("train", *config.data.evaluate):
        retriever = parts.gallery(parts.dataset(name).documents)
        found[name] = {"documents": retriever.size, "fingerprint": retriever.fingerprint}
    _print(arguments, found, "\n".join(f"{name}: {values}" for name, values in found.items()))


def _check(arguments: argparse.Namespace) -> None:
    from raqo.workflows.parts import Parts

    config = _load(arguments)
    parts = Parts(config)
    found = {}
    for name in ("train", *config.data.evaluate):
        dataset = parts.dataset(name)
        found[name] = {"documents": len(dataset.documents), "queries": len(dataset.queries)}
    _print(arguments, found, "\n".join(f"{name}: {values}" for name, values in found.items()))


def _cache(arguments: argparse.Namespace) -> None:
    from raqo.agents.chat.response_cache import prune
    from raqo.workflows.parts import answers_path

    older = None if arguments.older_than is None else arguments.older_than * 86_400
    removed = prune(answers_path(arguments.cache_dir), older_than_s=older)
    _print(arguments, {"removed": removed}, f"{removed} answers removed")


def _sample(arguments: argparse.Namespace) -> None:
    from raqo.workflows.build_sample import MODELS, build_sample

    if arguments.overrides:
        raise ConfigError(message("raqo sample", "takes no settings", "leave them out"))
    build_sample(arguments.out, models=tuple(arguments.model or MODELS), seed=arguments.seed)


if __name__ == "__main__":
    sys.exit(main())
