"""CSV (or TSV) with one caption per row: columns image and caption; several captions of an image are several rows."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from raqo.errors import DataError, message, nearest
from raqo.preference_data.sources.captioned import CaptionedImage, assemble
from raqo.preference_data.sources.files import clean_caption, image_path, image_root, unreadable
from raqo.preference_data.sources.problems import Problems, Reason
from raqo.preference_data.sources.settings import SourceSettings
from raqo.records import RetrievalDataset

PROBED_ROWS = 50


def load(settings: SourceSettings, problems: Problems) -> RetrievalDataset:
    """Read the table. Images lie beside it, in ``images/`` beside it, or in `settings.images`."""
    path = Path(settings.path)
    probes = [image for _, image, _ in islice(_rows(path, settings, Problems("skip")), PROBED_ROWS)]
    root = image_root(settings.images, (path.parent, path.parent / "images"), probes)
    files: dict[str, str | None] = {}
    captions: dict[str, dict[str, None]] = {}
    for where, image, text in _rows(path, settings, problems):
        if image not in files:
            files[image] = image_path(root, image, where, Problems("skip"))
        if files[image] is None:
            image_path(root, image, where, problems)  # every row of a bad image counts
        elif caption := clean_caption(text, where, problems):
            known = captions.setdefault(image, {})
            if caption in known:
                problems.add(Reason.DUPLICATE, where, f"{image!r} has this caption already", "delete the row")
            known[caption] = None
    return assemble(
        settings, (CaptionedImage(image, str(files[image]), tuple(known)) for image, known in captions.items())
    )


def _rows(path: Path, settings: SourceSettings, problems: Problems) -> Iterator[tuple[str, str, str]]:
    """Yield ``file:line``, image and caption of each row that has both."""
    columns = (settings.image_column, settings.caption_column)
    try:
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            reader = csv.DictReader(file, delimiter="\t" if path.suffix == ".tsv" else ",", strict=True)
            _check_header(path, reader.fieldnames or (), columns)
            while True:
                try:
                    row = next(reader)
                except StopIteration:
                    return
                except csv.Error as error:
                    problems.add(
                        Reason.MALFORMED, f"{path}:{reader.reader.line_num}", f"not valid CSV ({error})", "quote it"
                    )
                    continue
                where = f"{path}:{reader.line_num}"
                image, caption = (row.get(column) for column in columns)
                if image is None or caption is None or None in row:
                    fix = f"give {len(reader.fieldnames or ())} fields, with captions that hold commas in quotes"
                    problems.add(Reason.MALFORMED, where, "wrong number of fields", fix)
                    continue
                yield where, image.strip(), caption
    except OSError as error:
        raise unreadable(path, error) from error
    except csv.Error as error:
        raise DataError(message(f"{path}:1", f"not valid CSV ({error})", "correct the header")) from error


def _check_header(path: Path, header: object, columns: tuple[str, str]) -> None:
    names = [str(name) for name in header] if isinstance(header, list | tuple) else []
    for column in columns:
        if column not in names:
            problem = f"no column {column!r}{nearest(column, names)}; there are {', '.join(names) or 'none'}"
            raise DataError(message(f"{path}:1", problem, "correct the header, or set image_column and caption_column"))
