"""Verbs that work on a run folder: the whole loop, and its steps one by one."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from raqo.cli.options import (
    OVERRIDES,
    add_chat,
    add_config,
    add_dry_run,
    add_out,
    add_verb,
    load,
    show,
    show_report,
    values_text,
)


def add_verbs(verbs: Any) -> None:
    """``demo``, ``mine``, ``run``, ``build-data``, ``evaluate``, ``train``."""
    _add_demo(verbs)
    _add_mine(verbs)
    for name, function, text in (
        ("run", _run, "mine, build-data, train all and evaluate, one after the other"),
        ("build-data", _build_data, "make the preference data sets from the mined traces"),
        ("evaluate", _evaluate, "compare the trained rewriter with the raw queries"),
        ("train", _train, "train stages on the preference data"),
    ):
        verb = add_verb(verbs, name, function, text)
        if name == "train":
            verb.add_argument("stage", choices=("ccd", "qre", "pro", "all"))
        add_config(verb)
        add_out(verb, default=None, if_exists="resume")
        add_dry_run(verb)


def _add_demo(verbs: Any) -> None:
    verb = add_verb(verbs, "demo", _demo, "the whole loop on the built-in sample world")
    verb.add_argument("--quick", action="store_true", help="a small part of it, in at most 90 seconds")
    verb.add_argument("--seed", type=int, default=0, help="of mining and training")
    verb.add_argument(
        "--task",
        choices=("pictures", "knowledge", "dual"),
        default="pictures",
        help="texts that search pictures; questions about pictures that search passages; a dual encoder for these",
    )
    verb.add_argument("--trained", action="store_true", help="knowledge: also train a rewriter on the preferences")
    verb.epilog = OVERRIDES
    add_out(verb, default="runs/demo", if_exists="replace", help="the run folder (default: runs/demo, or runs/TASK)")
    verb.set_defaults(out=None)


def _add_mine(verbs: Any) -> None:
    verb = add_verb(verbs, "mine", _mine, "mine preferences from the retriever's feedback")
    add_config(verb)
    add_out(verb, default=None, if_exists="resume")
    add_dry_run(verb, "estimate calls, tokens and money from a sample of the queries; nothing is paid or written")
    add_chat(verb)
    verb.add_argument("--retry-failed", action="store_true", help="mine the queries whose answers failed once more")


def _demo(arguments: argparse.Namespace) -> None:
    from raqo.workflows.demo import demo_config, run_all
    from raqo.workflows.knowledge.dual import run_dual
    from raqo.workflows.knowledge.run import knowledge_config, run_knowledge

    overrides = (f"seed={arguments.seed}", *arguments.overrides)
    out = arguments.out or Path("runs") / ("demo" if arguments.task == "pictures" else arguments.task)
    match arguments.task:
        case "knowledge":
            config = knowledge_config(quick=arguments.quick, overrides=overrides)
            found = run_knowledge(config, out, if_exists=arguments.if_exists, trained=arguments.trained)
        case "dual":
            config = knowledge_config(quick=arguments.quick, overrides=overrides)
            found = run_dual(config, out, if_exists=arguments.if_exists)
        case _:
            config = demo_config(quick=arguments.quick, overrides=overrides)
            found = run_all(config, out, if_exists=arguments.if_exists)
    show_report(arguments, *found)


def _run(arguments: argparse.Namespace) -> None:
    if arguments.dry_run:
        from raqo.workflows.dry_run import RUN

        _plan(arguments, RUN)
        return
    from raqo.workflows.demo import run_all

    show_report(arguments, *run_all(load(arguments), arguments.out, if_exists=arguments.if_exists))


def _plan(arguments: argparse.Namespace, steps: Sequence[str]) -> None:
    from raqo.workflows.dry_run import plan

    found = plan(load(arguments), arguments.out, steps, if_exists=arguments.if_exists)
    show(arguments, found, "\n".join(f"{step}: {text}" for step, text in found.items()))


def _mine(arguments: argparse.Namespace) -> None:
    from raqo.workflows.mining_totals import as_text
    from raqo.workflows.parts import Parts
    from raqo.workflows.run_folder import open_run
    from raqo.workflows.steps import mine_step
    from raqo.workflows.times import Times

    config = load(arguments)
    if arguments.dry_run:
        from raqo.workflows.estimate import as_table, estimate

        found = estimate(Parts(config), arguments.out)
        show(arguments, asdict(found), as_table(found))
        return
    folder = open_run(arguments.out, arguments.if_exists)
    report = mine_step(
        Parts(config),
        folder,
        Times(folder.path),
        if_exists=arguments.if_exists,
        budget=arguments.budget,
        cached=not arguments.no_cache,
        retry_failed=arguments.retry_failed,
    )
    show(arguments, report, as_text(report))


def _build_data(arguments: argparse.Namespace) -> None:
    if arguments.dry_run:
        _plan(arguments, ("build-data",))
        return
    from raqo.workflows.parts import Parts
    from raqo.workflows.run_folder import open_run
    from raqo.workflows.steps import build_step
    from raqo.workflows.times import Times

    config = load(arguments)
    folder = open_run(arguments.out, arguments.if_exists)
    built = build_step(Parts(config), folder, Times(folder.path))
    show(arguments, {**built.rows, "left_out": dict(built.left_out)}, built.summary())


def _train(arguments: argparse.Namespace) -> None:
    if arguments.dry_run:
        named = ("ccd", "qre", "pro") if arguments.stage == "all" else (arguments.stage,)
        _plan(arguments, [f"train {stage}" for stage in named])
        return
    from raqo.workflows.parts import Parts
    from raqo.workflows.run_folder import open_run
    from raqo.workflows.steps import train_step
    from raqo.workflows.times import Times
    from raqo.workflows.toy_model import say_toy
    from raqo.workflows.train import STAGES

    config = load(arguments)
    folder = open_run(arguments.out, arguments.if_exists)
    stages = STAGES if arguments.stage == "all" else (arguments.stage,)
    say_toy(config)
    times = Times(folder.path)
    results = train_step(Parts(config), folder, times, stages=stages, if_exists=arguments.if_exists)
    found: dict[str, Any] = {result.stage: {"folder": str(result.folder), **result.metrics} for result in results}
    lines = [f"{one.stage}: {one.folder}, {one.steps} steps, last {_metrics(one.metrics)}" for one in results]
    show(arguments, found, "\n".join(lines))


def _metrics(metrics: Mapping[str, float]) -> str:
    return values_text({name: value for name, value in metrics.items() if name not in ("step", "epoch")})


def _evaluate(arguments: argparse.Namespace) -> None:
    if arguments.dry_run:
        _plan(arguments, ("evaluate",))
        return
    from raqo.workflows.report import evaluate_run

    show_report(arguments, *evaluate_run(load(arguments), arguments.out, if_exists=arguments.if_exists))
