"""Write preference data as a folder: JSON Lines, Hugging Face data sets, data card and manifest."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from raqo.errors import DataError, RunFolderError, message
from raqo.files import put_in_place, recover
from raqo.preference_data.build import PreferenceData
from raqo.preference_data.card import render_card

MANIFEST = "manifest.json"
TABLES = ("ccd", "qre", "pro", "pairs")
_OWN = {*(f"{table}.jsonl" for table in TABLES), "hf", "README.md", MANIFEST}


def export(data: PreferenceData, folder: str | Path) -> Path:
    """Write everything into `folder`, which appears as a whole or stays as it was.

    The same data gives equal bytes. The folder belongs to this function: a former export in it is replaced.

    Raises:
        RunFolderError: the folder cannot be written, or holds files that are not ours.
    """
    target = Path(folder)
    try:
        with _replaced(target) as work:
            for table in TABLES:
                rows = [dataclasses.asdict(row) for row in getattr(data, table)]
                _write_lines(work / f"{table}.jsonl", rows)
                _write_dataset(work / "hf" / table, table, rows)
            (work / "README.md").write_text(render_card(data), encoding="utf-8")
            _write_manifest(work, data)
    except OSError as error:
        if isinstance(error, RunFolderError):
            raise
        problem = f"cannot be written ({error.strerror or error})"
        raise RunFolderError(message(str(target), problem, "make room or choose another folder")) from error
    return target


def verify(folder: str | Path) -> dict[str, Any]:
    """Check every file of an export against its manifest, and return the manifest.

    Raises:
        DataError: no manifest, or a file is missing or changed.
    """
    root = Path(folder)
    try:
        manifest: dict[str, Any] = json.loads((root / MANIFEST).read_text(encoding="utf-8"))
        files = dict(manifest["files"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        problem = f"no readable {MANIFEST} ({error})"
        raise DataError(message(str(root), problem, "give a folder written by build-data")) from error
    for name, digest in files.items():
        if not (root / name).is_file() or _sha256(root / name) != digest:
            raise DataError(
                message(str(root / name), "missing or changed since it was written", "build the data again")
            )
    return manifest


def _write_lines(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    with path.open("w", encoding="utf-8", errors="replace", newline="\n") as file:
        file.writelines(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in rows)


def _write_dataset(path: Path, table: str, rows: list[dict[str, Any]]) -> None:
    import datasets

    features = _features(table)
    columns = {name: [row[name] for row in rows] for name in features}
    with _without_bars():
        content = datasets.Dataset.from_dict(columns, features=features)
        shards = (
            None if rows else {"train": 1}
        )  # of an empty table the library would write none, and then fail to read it
        datasets.DatasetDict({"train": content}).save_to_disk(str(path), num_shards=shards)


@contextlib.contextmanager
def _without_bars() -> Iterator[None]:
    import datasets

    shown = datasets.is_progress_bar_enabled()
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        if shown:
            datasets.enable_progress_bars()


def _features(table: str) -> Any:
    """Columns by name, so that empty tables and empty lists have their types too."""
    import datasets

    text, number, texts = datasets.Value("string"), datasets.Value("float64"), datasets.List(datasets.Value("string"))
    candidate = {"text": text, "score": number, "rank": datasets.Value("int64"), "text_similarity": number}
    query = {"id": text, "query": text, "concepts": texts}
    columns = {
        "ccd": query | {"source": text, "prompt": text, "completion": text},
        "qre": query | {"rewrite": text, "score": number, "prompt": text, "completion": text},
        "pro": query
        | {
            "prompt": text,
            "candidates": datasets.List(candidate | {"round": datasets.Value("int64")}),
            "completions": texts,
            "rewards": datasets.List(number),
        },
        "pairs": {"id": text, "prompt": text, "chosen": text, "rejected": text, "margin": number},
    }
    return datasets.Features(columns[table])


def _write_manifest(work: Path, data: PreferenceData) -> None:
    files = {str(path.relative_to(work)): _sha256(path) for path in sorted(work.rglob("*")) if path.is_file()}
    manifest = {
        "kind": "preference-data",
        "retriever": data.provenance.retriever if data.provenance else None,
        "rows": {table: len(getattr(data, table)) for table in TABLES},
        "settings": dataclasses.asdict(data.settings),
        "files": files,
    }
    (work / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def _replaced(target: Path) -> Iterator[Path]:
    """Give a work folder that takes the place of `target` when all went well; it is synced to disk before."""
    target = target.absolute()
    work = target.parent / f".{target.name}.new"
    target.parent.mkdir(parents=True, exist_ok=True)
    recover(target)
    _check_own(target)
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    try:
        yield work
        put_in_place(work, target)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _check_own(target: Path) -> None:
    foreign = sorted(path.name for path in target.iterdir() if path.name not in _OWN) if target.is_dir() else []
    if foreign or (target.exists() and not target.is_dir()):
        problem = f"holds something else ({', '.join(foreign[:3]) or 'a file'})"
        raise RunFolderError(message(str(target), problem, "choose an empty folder"))
