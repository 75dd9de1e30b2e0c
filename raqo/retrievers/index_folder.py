"""An index on disk: a folder that is whole or absent, and that says what it was made from."""

from __future__ import annotations

import hashlib
import json
import logging
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from raqo.errors import DataError, FingerprintError, RunFolderError, message
from raqo.files import put_in_place
from raqo.retrievers.checked_files import changed_files, file_digest
from raqo.retrievers.gallery import Skipped

logger = logging.getLogger(__name__)

FORMAT = 1
MANIFEST = "manifest.json"
DOC_IDS = "doc_ids.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexIdentity:
    """What an index was made from.

    Attributes:
        model: name of the model, or the scoring formula with its parameters.
        weights: hash of the model's weights and configuration; empty where there are none.
        gallery: digest of the `Gallery`.
    """

    model: str
    weights: str
    gallery: str

    @property
    def fingerprint(self) -> str:
        """Short hash of all parts."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """Contents of an index folder: its identity, ids in index order, and what was left out."""

    identity: IndexIdentity
    doc_ids: tuple[str, ...]
    skipped: tuple[Skipped, ...]


def write_index(
    folder: Path,
    identity: IndexIdentity,
    *,
    doc_ids: Sequence[str],
    skipped: Sequence[Skipped] = (),
    save: Callable[[Path], None],
) -> None:
    """Write an index beside `folder` and move it there when it is whole.

    Args:
        folder: where the index shall be; what is there is replaced.
        identity: what the index was made from.
        doc_ids: documents in index order.
        skipped: documents left out, each with the reason.
        save: writes the index's own files into the folder it is given.

    Raises:
        RunFolderError: the disk is full, read-only or otherwise unwilling.
    """
    with writing(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as temporary:
            new = Path(temporary, "new")
            new.mkdir()
            save(new)
            (new / DOC_IDS).write_text(json.dumps(list(doc_ids)), encoding="utf-8")
            files = {path.name: file_digest(path) for path in sorted(new.iterdir())}
            record = {"format": FORMAT, **asdict(identity), "count": len(doc_ids), "skipped": skipped, "files": files}
            (new / MANIFEST).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
            put_in_place(new, folder)


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Turn what the disk says while an index is written into one clear error.

    Raises:
        RunFolderError: the disk is full, read-only or otherwise unwilling.
    """
    try:
        yield
    except OSError as error:
        problem = f"the index cannot be written ({error})"
        fix = "free some space, or choose another folder with cache_dir"
        raise RunFolderError(message(str(folder), problem, fix)) from error


def read_manifest(folder: Path) -> Manifest:
    """Open an index folder and verify every file in it against the manifest's hashes.

    Files that were verified before and have not been touched since are not read for it: see `changed_files` for what
    that finds, and what it does not.

    Raises:
        DataError: there is no index, or it is damaged.
    """
    try:
        record = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        if record["format"] != FORMAT:
            raise ValueError(f"format {record['format']} instead of {FORMAT}")
        digests = {Path(name).name: digest for name, digest in record["files"].items()}
        for name in changed_files(folder, digests):
            raise ValueError(f"{name} is truncated or was changed")
        doc_ids = tuple(json.loads((folder / DOC_IDS).read_text(encoding="utf-8")))
        identity = IndexIdentity(model=record["model"], weights=record["weights"], gallery=record["gallery"])
        skipped = tuple(Skipped(doc_id, reason) for doc_id, reason in record["skipped"])
    except FileNotFoundError as error:
        missing = Path(error.filename or "").name
        raise damaged(folder, f"there is no {missing}") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise damaged(folder, str(error)) from error
    return Manifest(identity=identity, doc_ids=doc_ids, skipped=skipped)


def is_valid(folder: Path, identity: IndexIdentity) -> bool:
    """Whether a whole index of this identity is there already; a damaged one is logged and not valid."""
    if not folder.exists():
        return False
    try:
        return read_manifest(folder).identity == identity
    except DataError as error:
        logger.warning("%s Building it anew.", error)
        return False


def require_same(folder: Path, found: IndexIdentity, expected: dict[str, Any]) -> None:
    """Compare an index's identity with the parts expected of it.

    Raises:
        FingerprintError: naming each part that differs.
    """
    differ = [name for name, value in expected.items() if getattr(found, name) != value]
    if differ:
        parts = "; ".join(f"its {name} is {getattr(found, name)}, expected {expected[name]}" for name in differ)
        fix = f"build a new index, or use the {' and the '.join(differ)} this one was made with"
        raise FingerprintError(message(str(folder), f"this index was made with something else: {parts}", fix))


def damaged(folder: Path, problem: str) -> DataError:
    """The error for an index that cannot be used."""
    return DataError(
        message(str(folder), f"not a whole index: {problem}", "delete the folder and build the index again")
    )
