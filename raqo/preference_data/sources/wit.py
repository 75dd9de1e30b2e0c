"""WIT: pictures of Wikipedia with the texts around them (Srinivasan et al. 2021), streamed from its tables."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from raqo.errors import DataError, message
from raqo.preference_data.sources.problems import Problems
from raqo.preference_data.sources.published import Size
from raqo.preference_data.sources.tables import read_table

logger = logging.getLogger(__name__)
SHARDS = 10
ROWS = Size(37_600_000, 0.01)
"""Rows of all ten training shards, in all languages, as the authors round it."""
_COLUMNS = ("language", "page_title", "image_url", "caption_reference_description", "context_page_description")


@dataclass(frozen=True, slots=True)
class WitEntry:
    """One picture on one page.

    Attributes:
        caption: what stands below the picture; may be empty.
        context: the beginning of the page; may be empty.
    """

    language: str
    title: str
    image_url: str
    caption: str
    context: str


def read_wit(path: Path, problems: Problems, *, language: str = "en") -> Iterator[WitEntry]:
    """Read the entries of one language from a table, or from all ``*.tsv`` and ``*.tsv.gz`` of a folder.

    Rows of other languages are passed over. When a folder holds all ten shards, their rows are counted and a warning
    tells if they are not the published number.

    Raises:
        DataError: no table, a missing column, or a bad row (with ``on_error: fail``).
    """
    files = [path] if path.is_file() else sorted([*path.glob("*.tsv"), *path.glob("*.tsv.gz")])
    if not files:
        raise DataError(message(str(path), "no *.tsv or *.tsv.gz", "give a shard of WIT or the folder of all shards"))
    count = 0
    for file in files:
        for _, row in read_table(file, _COLUMNS, problems):
            count += 1
            if row["language"] == language:
                yield WitEntry(*(" ".join(row[column].split()) for column in _COLUMNS))
    if len(files) == SHARDS and not ROWS.admits(count):
        logger.warning("%s: expected %s rows in %d shards, found %s", path, ROWS, SHARDS, f"{count:,}")
