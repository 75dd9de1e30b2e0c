"""OK-VQA's three corpora, streamed: Google search sentences, and two cuts of Wikipedia."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from raqo.preference_data.sources.answers import identified
from raqo.preference_data.sources.files import read_jsonl
from raqo.preference_data.sources.okvqa import ID_PREFIX
from raqo.preference_data.sources.problems import Problems
from raqo.preference_data.sources.tables import read_table
from raqo.records import Document


def google_sentences(path: Path, problems: Problems) -> Iterator[Document]:
    """Read a table of ``kid, text``: GS112K and its larger and cleaned variants; ReMuQ's corpus has the same form."""
    for where, row in read_table(path, ("kid", "text"), problems):
        if found := identified(row, ("kid", "text"), where, problems):
            yield Document(found[0].removeprefix(ID_PREFIX), text=found[1])


def wikipedia_blocks(path: Path, problems: Problems) -> Iterator[Document]:
    """Read WK11M's ``all_blocks.txt``: JSONL of ``id, text``."""
    for where, row in read_jsonl(path, problems):
        if found := identified(row, ("id", "text"), where, problems):
            yield Document(found[0], text=found[1])


def wikipedia_hundreds(path: Path, problems: Problems) -> Iterator[Document]:
    """Read WK21M's ``psgs_w100.tsv``: ``id, text, title``, passages of a hundred words; the title opens the passage."""
    for where, row in read_table(path, ("id", "text", "title"), problems):
        if found := identified(row, ("id", "text"), where, problems):
            yield Document(found[0], text=" ".join(f"{row['title']} {found[1]}".split()))
