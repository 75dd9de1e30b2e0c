"""`raqo sample`: the models that raqo ships."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from raqo.cli.options import add_verb


def add_verbs(verbs: Any) -> None:
    """``sample``."""
    verb = add_verb(verbs, "sample", _sample, "make the sample world's shipped models anew")
    verb.add_argument("action", choices=("build",))
    verb.add_argument("--model", choices=("clip", "base_lm"), action="append", help="only this one (repeatable)")
    verb.add_argument("--seed", type=int, default=0)
    verb.add_argument("--out", type=Path, required=True, help="folder for the weights")


def _sample(arguments: argparse.Namespace) -> None:
    from raqo.workflows.build_sample import MODELS, build_sample

    build_sample(arguments.out, models=tuple(arguments.model or MODELS), seed=arguments.seed)
