"""What the stages read: prompt/completion pairs and lists of candidates with rewards, in TRL's plain formats."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from raqo.agents.prompts import ANY_CONCEPT, render_rewrite
from raqo.errors import DataError, message


@dataclass(frozen=True, slots=True)
class Pair:
    """A prompt and what the model shall answer."""

    prompt: str
    completion: str


@dataclass(frozen=True, slots=True)
class RankedList:
    """A prompt and several answers, each with a reward (higher is better)."""

    prompt: str
    completions: tuple[str, ...]
    rewards: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingData:
    """D_CCD, D_QRE and D_PRO of one retriever, named by its fingerprint.

    Attributes:
        draft: D_QRE on the query alone, as RAQO's Eq. 2 is printed: the concepts are not named, and an unambiguous
            query is its own rewrite. Taught together with `qre`.
    """

    ccd: tuple[Pair, ...] = ()
    qre: tuple[Pair, ...] = ()
    draft: tuple[Pair, ...] = ()
    pro: tuple[RankedList, ...] = ()
    retriever: str = ""


Row = TypeVar("Row", Pair, RankedList)


def rows_hash(rows: Sequence[Pair | RankedList]) -> str:
    """SHA-256 of rows, in their order."""
    digest = hashlib.sha256()
    for row in rows:
        digest.update(json.dumps(asdict(row), ensure_ascii=False).encode() + b"\n")
    return digest.hexdigest()


def read_training_data(folder: Path, *, retriever: str = "") -> TrainingData:
    """Read ``ccd.jsonl``, ``qre.jsonl`` and ``pro.jsonl`` of a folder; a missing file is an empty table.

    Pairs have the fields ``prompt`` and ``completion``, lists ``prompt``, ``completions`` and ``rewards``; others are
    ignored.

    Raises:
        DataError: none of the files exists, or a line is wrong (file and line are named).
    """
    if not any((folder / f"{name}.jsonl").is_file() for name in ("ccd", "qre", "pro")):
        problem = "expected ccd.jsonl, qre.jsonl or pro.jsonl, found none"
        raise DataError(message(str(folder), problem, "give the folder written by 'raqo build-data'"))
    return TrainingData(
        ccd=_read(folder / "ccd.jsonl", _pair),
        qre=_read(folder / "qre.jsonl", _pair),
        draft=_drafts(folder),
        pro=_read(folder / "pro.jsonl", _ranked_list),
        retriever=retriever,
    )


def _drafts(folder: Path) -> tuple[Pair, ...]:
    """Rows without named concepts, from the fields that raqo's own tables have beside the prompts."""
    found = [pair for name in ("qre", "ccd") for pair in _read(folder / f"{name}.jsonl", _draft)]
    return tuple(pair for pair in found if pair.prompt)


def _draft(fields: dict[str, Any], where: str) -> Pair:
    """A query with its rewrite, or, where nothing in it is challenging, with itself; empty where neither is known."""
    query = fields.get("query")
    rewrite = fields.get("rewrite", query if fields.get("concepts") == [] else None)
    if not isinstance(query, str) or not isinstance(rewrite, str):
        return Pair("", "")
    return Pair(render_rewrite(query, ANY_CONCEPT), f" {rewrite}")


def _read(path: Path, build: Callable[[dict[str, Any], str], Row]) -> tuple[Row, ...]:
    if not path.is_file():
        return ()
    rows = []
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                rows.append(build(_fields(line, f"{path}:{number}"), f"{path}:{number}"))
    return tuple(rows)


def _fields(line: str, where: str) -> dict[str, Any]:
    try:
        fields = json.loads(line)
    except ValueError as error:
        raise DataError(message(where, f"not valid JSON ({error})", "write one object per line")) from error
    if not isinstance(fields, dict):
        raise DataError(message(where, f"expected an object, got {type(fields).__name__}", "write one object per line"))
    return fields


def _pair(fields: dict[str, Any], where: str) -> Pair:
    return Pair(_text(fields, "prompt", where), _text(fields, "completion", where))


def _ranked_list(fields: dict[str, Any], where: str) -> RankedList:
    texts, rewards = fields.get("completions"), fields.get("rewards")
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise DataError(message(where, "field 'completions' is not a list of texts", "give one text per candidate"))
    if not isinstance(rewards, list) or not all(_is_finite(reward) for reward in rewards):
        raise DataError(message(where, "field 'rewards' is not a list of finite numbers", "give one per candidate"))
    if len(rewards) != len(texts):
        problem = f"field 'rewards' has {len(rewards)} values for {len(texts)} candidates"
        raise DataError(message(where, problem, "give one reward per candidate"))
    return RankedList(_text(fields, "prompt", where), tuple(texts), tuple(map(float, rewards)))


def _text(fields: dict[str, Any], name: str, where: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not value:
        raise DataError(message(where, f"field {name!r} is {value!r}", "give a text"))
    return value


def _is_finite(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
