"""The command line: one verb, one function call. Heavy imports happen inside the verbs."""

from __future__ import annotations

import argparse
import gc
import os
import shlex
import sys
from collections.abc import Callable, Sequence

from raqo.cli.parser import build_parser
from raqo.errors import BudgetError, ConfigError, FailureRateError, RaqoError, StoppedError


def main(argv: Sequence[str] | None = None) -> int:
    """Run a verb; 0 done, 1 failed, 2 wrong use."""
    arguments, rest = build_parser().parse_known_args(argv)
    overrides = [item for item in rest if "=" in item and not item.startswith("-")]
    unknown = [item for item in rest if item not in overrides]
    if unknown:
        print(f"raqo: unknown argument {unknown[0]!r}; see `raqo {arguments.verb} --help`.", file=sys.stderr)
        return 2
    if overrides and not hasattr(arguments, "config") and arguments.verb != "demo":
        print(f"raqo: `raqo {arguments.verb}` takes no settings, got {overrides[0]!r}.", file=sys.stderr)
        return 2
    arguments.overrides = tuple(overrides)
    # nothing of raqo's needs telemetry, and a missing network must not cost time-outs
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    # threads of torch that spin long while they wait bring a machine shared with other work to a standstill
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")
    # a run makes millions of small records that live long; looking through them every 700 cost 3.5% of its CPU time
    gc.set_threshold(50_000, 20, 20)
    try:
        run: Callable[[argparse.Namespace], None] = arguments.run
        run(arguments)
    except ConfigError as error:
        print(f"raqo: {error}", file=sys.stderr)
        return 2
    except RaqoError as error:
        print(f"raqo: {error}", file=sys.stderr)
        if arguments.verb in ("mine", "run", "knowledge") and _ended_early(error):
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
    if getattr(arguments, "trained", False):
        words.append("--trained")
    if arguments.if_exists == "replace":
        words += ["--if-exists", "replace"]
    return shlex.join([*words, *arguments.overrides])
