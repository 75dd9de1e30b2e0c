"""BEIR: ``corpus.jsonl`` (_id, title, text), ``queries.jsonl`` (_id, text), ``qrels/<split>.tsv`` (ids, score)."""

from __future__ import annotations

from collections.abc import Container, Sequence
from pathlib import Path
from typing import Any

from raqo.errors import DataError, message, nearest
from raqo.preference_data.sources.captioned import sample
from raqo.preference_data.sources.files import has_bad_bytes, read_jsonl, unreadable
from raqo.preference_data.sources.problems import Problems, Reason
from raqo.preference_data.sources.settings import SourceSettings
from raqo.records import Document, Query, RetrievalDataset
from raqo.retrievers.bm25.stored_passages import documents_by_id


def load(settings: SourceSettings, problems: Problems, documents: Sequence[Document] | None = None) -> RetrievalDataset:
    """Read a text corpus; a document is its title and text, relevant are judgements above 0.

    Queries judged only in other splits are left out silently; queries judged nowhere count as without target.
    Documents that were read before are handed on as they are.
    """
    folder = Path(settings.path)
    if documents is None:
        texts = _texts(folder / "corpus.jsonl", problems, title=True)
        documents = tuple(Document(doc_id, text=text) for doc_id, text in texts.items())
    queries = _texts(folder / "queries.jsonl", problems, title=False)
    judged = _judgements(_qrels(folder, settings.split), queries, documents_by_id(documents), problems)
    _check_targets(folder, settings.split, queries, judged, problems)
    chosen = sample([query_id for query_id in queries if judged.get(query_id)], settings.limit, settings.seed)
    if not chosen:
        raise DataError(message(str(folder), f"no usable query in split {settings.split!r}", "check the qrels"))
    return RetrievalDataset(
        name=settings.name or folder.name,
        split=settings.split,
        documents=documents,
        queries=tuple(Query(query_id, queries[query_id]) for query_id in chosen),
        targets={query_id: tuple(judged[query_id]) for query_id in chosen},
    )


def _texts(path: Path, problems: Problems, *, title: bool) -> dict[str, str]:
    """Id -> text, in file order."""
    texts: dict[str, str] = {}
    for where, row in read_jsonl(path, problems):
        found = identified_text(row, where, problems, title=title)
        if found and found[0] in texts:
            problems.add(Reason.DUPLICATE, where, f"_id {found[0]!r} occurs twice", "delete one")
        elif found:
            texts[found[0]] = found[1]
    return texts


def identified_text(
    row: dict[str, Any], where: str, problems: Problems, *, title: bool = True
) -> tuple[str, str] | None:
    """Id and text of an entry, its title first where it shall be there; None (noted) if one is missing."""
    fields = [row.get("title") or "" if title else "", row.get("text") or ""]
    if not isinstance(row.get("_id"), str | int) or not all(isinstance(field, str) for field in fields):
        problems.add(Reason.MALFORMED, where, "expected _id and text", "correct or delete the line")
        return None
    text = " ".join(" ".join(fields).split())
    if not text:
        problems.add(Reason.EMPTY, where, f"the text of {row['_id']!r} is empty", "write or delete it")
        return None
    return str(row["_id"]), text


def _qrels(folder: Path, split: str) -> Path:
    path = folder / "qrels" / f"{split}.tsv"
    if not path.is_file():
        splits = sorted(file.stem for file in (folder / "qrels").glob("*.tsv"))
        problem = f"does not exist{nearest(split, splits)}; there are {', '.join(splits) or 'no splits'}"
        raise DataError(message(str(path), problem, "set split to one of them"))
    return path


def _judgements(
    path: Path, queries: Container[str], documents: Container[str], problems: Problems
) -> dict[str, dict[str, None]]:
    """Query id -> relevant documents in file order; judged queries without a relevant one have none."""
    judged: dict[str, dict[str, None]] = {}
    for where, query_id, doc_id, score in _qrels_rows(path, problems):
        relevant = judged.setdefault(query_id, {})
        if query_id not in queries:
            problems.add(Reason.MALFORMED, where, f"query {query_id!r} is not in queries.jsonl", "add it")
        elif score > 0 and doc_id not in documents:
            problems.add(Reason.NO_TARGET, where, f"document {doc_id!r} is not in corpus.jsonl", "add it")
        elif doc_id in relevant:
            problems.add(Reason.DUPLICATE, where, f"{query_id!r} and {doc_id!r} are judged twice", "delete one")
        elif score > 0:
            relevant[doc_id] = None
    return judged


def _qrels_rows(path: Path, problems: Problems) -> list[tuple[str, str, str, int]]:
    rows = []
    try:
        lines = path.read_text(encoding="utf-8-sig", errors="surrogateescape").split("\n")
    except OSError as error:
        raise unreadable(path, error) from error
    for number, line in enumerate(lines, 1):
        fields = [field.strip() for field in line.split("\t")]
        is_header = number == 1 and not _is_whole(fields[-1])
        if not line.strip() or is_header:
            continue
        where = f"{path}:{number}"
        if has_bad_bytes(line):
            problems.add(Reason.ENCODING, where, "bytes that are not UTF-8", "save the file as UTF-8")
        elif len(fields) != 3 or not _is_whole(fields[2]):
            problems.add(Reason.MALFORMED, where, "expected query, document and score, tab-separated", "correct it")
        else:
            rows.append((where, fields[0], fields[1], int(fields[2])))
    return rows


def _is_whole(text: str) -> bool:
    return text.removeprefix("-").isdecimal()


def _check_targets(
    folder: Path, split: str, queries: dict[str, str], judged: dict[str, dict[str, None]], problems: Problems
) -> None:
    elsewhere: set[str] = set()
    for path in (folder / "qrels").glob("*.tsv"):
        if path.stem != split:
            elsewhere.update(query_id for _, query_id, _, _ in _qrels_rows(path, Problems("skip")))
    for query_id in queries:
        if not judged.get(query_id) and (query_id in judged or query_id not in elsewhere):
            where = f"{folder / 'queries.jsonl'}: {query_id}"
            problems.add(Reason.NO_TARGET, where, "no document is judged relevant", "add a judgement, or delete it")
