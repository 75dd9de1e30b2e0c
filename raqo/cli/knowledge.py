"""`raqo knowledge`: questions about pictures that search passages."""

from __future__ import annotations

import argparse
from typing import Any

from raqo.cli.options import add_chat, add_config, add_dry_run, add_out, add_verb, load, show, show_report


def add_verbs(verbs: Any) -> None:
    """``knowledge``, ``dual``."""
    verb = add_verb(verbs, "knowledge", _knowledge, "expand questions about pictures, measure what is found, and learn")
    add_config(verb)
    add_out(verb, default=None, if_exists="resume")
    add_dry_run(verb, "say what would be measured and what it asks of a chat model at most; nothing is written")
    add_chat(verb)
    verb.add_argument("--trained", action="store_true", help="also train a rewriter on the preferences, and measure it")

    verb = add_verb(verbs, "dual", _dual, "train a dual encoder on questions about pictures, and measure it")
    add_config(verb)
    add_out(verb, default=None, if_exists="resume")


def _dual(arguments: argparse.Namespace) -> None:
    from raqo.workflows.knowledge.dual import run_dual

    show_report(arguments, *run_dual(load(arguments), arguments.out, if_exists=arguments.if_exists))


def _knowledge(arguments: argparse.Namespace) -> None:
    config = load(arguments)
    if arguments.dry_run:
        from raqo.workflows.knowledge.plan import plan

        found = plan(config, arguments.out, trained=arguments.trained)
        show(arguments, found, "\n".join(f"{step}: {text}" for step, text in found.items()))
        return
    from raqo.workflows.knowledge.run import run_knowledge
    from raqo.workflows.toy_model import say_toy

    if arguments.trained:
        say_toy(config)
    table, page = run_knowledge(
        config,
        arguments.out,
        if_exists=arguments.if_exists,
        trained=arguments.trained,
        budget=arguments.budget,
        cached=not arguments.no_cache,
    )
    show_report(arguments, table, page)
