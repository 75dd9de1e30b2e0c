"""What several verbs have in common: arguments, the configuration they name, and how results are printed."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from raqo.config import RunConfig


OVERRIDES = "Any setting can be overridden: mining.max_rounds=3 training.pro.epochs=2"


def add_verb(
    verbs: Any, name: str, function: Callable[[argparse.Namespace], None], text: str
) -> argparse.ArgumentParser:
    """Add a verb to the subparsers; `function` gets the arguments, with ``overrides`` beside them."""
    parser: argparse.ArgumentParser = verbs.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.set_defaults(run=function)
    return parser


def add_config(parser: argparse.ArgumentParser) -> None:
    """``--config`` and dotted overrides."""
    parser.epilog = OVERRIDES
    parser.add_argument("--config", type=Path, required=True, help="a YAML file; see configs/")


def add_out(
    parser: argparse.ArgumentParser, *, default: str | None, if_exists: str, help: str = "the run folder"
) -> None:
    """``--out`` and ``--if-exists``."""
    parser.add_argument("--out", type=Path, required=default is None, default=default and Path(default), help=help)
    parser.add_argument(
        "--if-exists",
        choices=("fail", "resume", "replace"),
        default=if_exists,
        help="a run folder that is there already: refuse it, go on with it, or also remake parts whose inputs changed "
        f"(default: {if_exists})",
    )


def add_dry_run(
    parser: argparse.ArgumentParser, text: str = "say what would be done and what reused; nothing is written"
) -> None:
    """``--dry-run``."""
    parser.add_argument("--dry-run", action="store_true", help=text)


def add_gallery(parser: argparse.ArgumentParser) -> None:
    """``--gallery`` and ``-k``."""
    parser.add_argument(
        "--gallery",
        help="what is searched: an evaluation set, train, knowledge.evaluate or knowledge.train (default: the first)",
    )
    parser.add_argument("-k", type=hits, default=5, help="hits to show (default: 5)")


def add_chat(parser: argparse.ArgumentParser) -> None:
    """``--budget`` and ``--no-cache``."""
    parser.add_argument("--budget", type=money, metavar="MONEY", help="stop before more is spent in this run folder")
    parser.add_argument("--no-cache", action="store_true", help="ask the chat model even where an answer is kept")


def money(text: str) -> float:
    """An amount of money, at least 0."""
    return _amount(text, "money", "5.00")


def days(text: str) -> float:
    """An amount of days, at least 0."""
    return _amount(text, "days", "30")


def hits(text: str) -> int:
    """A number of hits, at least 1."""
    if not (text.isdecimal() and int(text)):
        raise argparse.ArgumentTypeError(f"expected a number of hits, got {text!r}; give for example 10")
    return int(text)


def query(text: str) -> str:
    """The text of a query, with a word in it."""
    if not text.strip():
        raise argparse.ArgumentTypeError("the query is empty; give it in quotes")
    return text


def _amount(text: str, what: str, example: str) -> float:
    try:
        amount = float(text)
    except ValueError:
        amount = math.nan
    if not (math.isfinite(amount) and amount >= 0):
        raise argparse.ArgumentTypeError(f"expected an amount of {what}, got {text!r}; give for example {example}")
    return amount


def load(arguments: argparse.Namespace) -> RunConfig:
    """The configuration of ``--config``, with the overrides on top.

    Raises:
        ConfigError: it is wrong.
    """
    from raqo.config import load_config

    return load_config(arguments.config, arguments.overrides)


def show(arguments: argparse.Namespace, value: dict[str, Any], text: str) -> None:
    """Print a result on standard output: as JSON with ``--json``, else as text."""
    print(json.dumps(value, indent=2, ensure_ascii=False) if arguments.json else text)


def values_text(values: Mapping[str, Any]) -> str:
    """Counts with their names, other values after theirs, on one line."""
    texts = (
        f"{value:,} {name}"
        if isinstance(value, int)
        else f"{name} {f'{value:.4g}' if isinstance(value, float) else value}"
        for name, value in values.items()
    )
    return ", ".join(texts)


def show_report(arguments: argparse.Namespace, table: str, page: Path) -> None:
    """Print a table and where the report lies; with ``--json``, the ``report.json`` beside it."""
    report = json.loads(page.with_name("report.json").read_text(encoding="utf-8"))
    show(arguments, report, f"{table}\n\nreport: {page}")
