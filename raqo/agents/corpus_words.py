"""How often the words of a corpus occur, counted once and kept on disk."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from raqo import __version__
from raqo.agents.spans import forms_of
from raqo.errors import RunFolderError
from raqo.files import write_text

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CorpusWords:
    """The words of a corpus, casefolded.

    Attributes:
        counts: form -> occurrences.
        documents: form -> documents that hold it.
        size: documents.
    """

    counts: Mapping[str, int]
    documents: Mapping[str, int]
    size: int


def count_words(corpus: Iterable[str]) -> CorpusWords:
    """Count the words of texts, which are read once, one after another: there may be more than memory holds."""
    counts, documents, size = Counter[str](), Counter[str](), 0
    for text in corpus:
        forms = forms_of(text)
        counts.update(forms)
        documents.update(set(forms))
        size += 1
    return CorpusWords(counts, documents, size)


def kept_words(path: Path, corpus: Iterable[str], *, fingerprint: str) -> CorpusWords:
    """`count_words` as kept in a file; counted now, and kept, where there is no such file of this corpus.

    Args:
        path: of the file; what another corpus or another version left there is replaced. Where nothing can be written,
            nothing is kept.
        corpus: its texts.
        fingerprint: tells it from others.
    """
    made_from = {"raqo": __version__, "corpus": fingerprint}
    found = _read(path, made_from)
    if found is None:
        found = count_words(corpus)
        forms = list(found.counts)
        record = {
            "made_from": made_from,
            "size": found.size,
            "forms": forms,
            "counts": [found.counts[form] for form in forms],
            "documents": [found.documents[form] for form in forms],
        }
        with suppress(RunFolderError):
            write_text(path, json.dumps(record))
    return found


def _read(path: Path, made_from: Mapping[str, str]) -> CorpusWords | None:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if record["made_from"] != made_from:
            return None
        forms = record["forms"]
        counts, documents = (dict(zip(forms, record[name], strict=True)) for name in ("counts", "documents"))
        return CorpusWords(counts, documents, record["size"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        logger.warning("%s cannot be read (%s); counting anew.", path, error)
        return None
