"""TREC run files and qrels, the formats that trec_eval, ir_measures and ranx read."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from raqo.errors import DataError, message
from raqo.files import write_text
from raqo.records import Hit, Ranking


def write_run(path: Path, rankings: Iterable[Ranking], *, tag: str) -> None:
    """Write ``query_id Q0 doc_id rank score tag`` lines, best hit first, ranks from 1. The write is atomic.

    Raises:
        DataError: if an id or the tag is empty or contains white space, which the format cannot hold.
    """
    _check_ids([tag], "tag")
    lines = []
    for ranking in rankings:
        _check_ids([ranking.query_id], "query id")
        _check_ids([hit.doc_id for hit in ranking.hits], "document id")
        for rank, hit in enumerate(ranking.hits, start=1):
            lines.append(f"{ranking.query_id} Q0 {hit.doc_id} {rank} {float(hit.score)!r} {tag}\n")
    write_text(path, "".join(lines))


def read_run(path: Path) -> list[Ranking]:
    """Read a run file; queries in the order of their first line, hits by score (highest first), then by rank.

    Raises:
        DataError: naming the line, if one has not six fields, a rank or score is no number, or a document is repeated.
    """
    found: dict[str, dict[str, tuple[float, int]]] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        query_id, doc_id, rank, score = _parse(line, f"{path}:{number}")
        hits = found.setdefault(query_id, {})
        if doc_id in hits:
            raise DataError(message(f"{path}:{number}", f"document {doc_id!r} listed twice", "list it once per query"))
        hits[doc_id] = (score, rank)
    return [Ranking(query_id, _in_order(hits)) for query_id, hits in found.items()]


def write_qrels(path: Path, targets: Mapping[str, Collection[str]]) -> None:
    """Write ``query_id 0 doc_id 1`` lines. The write is atomic.

    Raises:
        DataError: if an id is empty or contains white space.
    """
    _check_ids(targets, "query id")
    for doc_ids in targets.values():
        _check_ids(doc_ids, "document id")
    write_text(path, "".join(f"{query} 0 {doc} 1\n" for query, docs in targets.items() for doc in docs))


def _parse(line: str, where: str) -> tuple[str, str, int, float]:
    fields = line.split()
    if len(fields) != 6:
        problem = f"expected 6 fields (query Q0 document rank score tag), got {len(fields)}"
        raise DataError(message(where, problem, "correct the line"))
    try:
        rank, score = int(fields[3]), float(fields[4])
    except ValueError as error:
        raise DataError(message(where, f"rank or score is no number ({error})", "correct the line")) from error
    if not math.isfinite(score):
        raise DataError(message(where, f"expected a finite score, got {fields[4]}", "correct the line"))
    return fields[0], fields[2], rank, score


def _in_order(hits: Mapping[str, tuple[float, int]]) -> tuple[Hit, ...]:
    ordered = sorted(hits.items(), key=lambda item: (-item[1][0], item[1][1]))
    return tuple(Hit(doc_id, score) for doc_id, (score, _) in ordered)


def _check_ids(ids: Iterable[str], what: str) -> None:
    for value in ids:
        if not value or value.split() != [value]:
            problem = f"expected no white space, got {value!r}"
            raise DataError(message(f"TREC {what}", problem, "rename it, e.g. with underscores"))
