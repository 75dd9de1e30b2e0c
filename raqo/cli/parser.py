"""All verbs and their arguments."""

from __future__ import annotations

import argparse

from raqo import __version__
from raqo.cli import knowledge, queries, runs, sample, serving

DESCRIPTION = "Mine a retriever's preferences, train a query rewriter on them, serve it, measure it."


def build_parser() -> argparse.ArgumentParser:
    """Each verb sets ``run`` to its function."""
    parser = argparse.ArgumentParser(prog="raqo", description=DESCRIPTION)
    parser.add_argument("--version", action="version", version=f"raqo {__version__}")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    runs.add_verbs(verbs)
    knowledge.add_verbs(verbs)
    queries.add_verbs(verbs)
    serving.add_verbs(verbs)
    sample.add_verbs(verbs)
    return parser
