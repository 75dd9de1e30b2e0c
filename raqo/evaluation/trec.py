"""TREC run files and qrels, the formats that trec_eval, ir_measures and ranx read.

Their fields are separated by blanks, which file names of pictures may hold: those of an id are written as in a URL
(``my photo.jpg`` as ``my%20photo.jpg``), in both kinds of file alike.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from urllib.parse import quote

from raqo.errors import DataError, message
from raqo.files import write_text
from raqo.records import Hit, Ranking


def write_run(path: Path, rankings: Iterable[Ranking], *, tag: str) -> None:
    """Write ``query_id Q0 doc_id rank score tag`` lines, best hit first, ranks from 1. The write is atomic.

    Raises:
        DataError: if an id or the tag is empty.
    """
    tag, lines = _field(tag, "tag"), []
    for ranking in rankings:
        query_id = _field(ranking.query_id, "query id")
        for rank, hit in enumerate(ranking.hits, start=1):
            lines.append(f"{query_id} Q0 {_field(hit.doc_id, 'document id')} {rank} {float(hit.score)!r} {tag}\n")
    write_text(path, "".join(lines))


def read_run(path: Path) -> list[Ranking]:
    """Read a run file, ids as they are written; queries in the order of their first line, hits by score, then by rank.

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
        DataError: if an id is empty.
    """
    pairs = [(_field(query, "query id"), _field(doc, "document id")) for query, docs in targets.items() for doc in docs]
    write_text(path, "".join(f"{query} 0 {doc} 1\n" for query, doc in pairs))


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


def _field(value: str, what: str) -> str:
    """An id without white space; ids that have none stay as they are."""
    if not value:
        raise DataError(message(f"TREC {what}", "is empty", "give it a name"))
    if value.split() == [value]:
        return value
    return "".join(quote(letter, safe="") if letter.isspace() or letter == "%" else letter for letter in value)
