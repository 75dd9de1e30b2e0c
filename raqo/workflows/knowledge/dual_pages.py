"""The pages that VL-ICT makes its triplets of."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from raqo.config import PagesSettings
from raqo.errors import DataError, message
from raqo.preference_data.sources.problems import Problems
from raqo.preference_data.sources.wit import read_wit
from raqo.preference_data.vl_ict import ClozeTriplet, cloze_triplets
from raqo.workflows.progress import say


def read_pages(settings: PagesSettings, folder: Path, *, cache_dir: Path) -> list[ClozeTriplet]:
    """Triplets of a table in WIT's format, or of the sample world's encyclopedia, which is written into `folder`.

    A picture is looked for by the file name of its URL; pages without one are passed over.

    Raises:
        DataError: no table, a bad row (with ``on_error: fail``), or no page that gives a triplet.
    """
    problems = Problems(settings.on_error)
    if settings.wit == "sample":
        found = list(cloze_triplets(read_wit(_sample(folder, cache_dir, settings.limit), problems), str))
    else:
        images = Path(settings.images)
        found = list(cloze_triplets(read_wit(Path(settings.wit), problems), lambda url: _file_of(url, images)))
    if not found:
        fix = "check that pages.images holds the pictures by the file names of their URLs"
        raise DataError(message(settings.wit, "no page with a picture gives a question", fix))
    return found


def _file_of(url: str, images: Path) -> str | None:
    """A URL is untrusted: only the last part of its path is read, and only as a name in the folder."""
    name = PurePosixPath(unquote(urlsplit(url).path).replace("\\", "/")).name
    path = images / name
    return str(path) if name not in ("", ".", "..") and "\0" not in name and path.is_file() else None


def _sample(folder: Path, cache_dir: Path, limit: int | None) -> Path:
    from raqo.sample.dataset import sample_dataset
    from raqo.sample.encyclopedia import write_encyclopedia
    from raqo.sample.world import split_scenes

    say("dual: pictures of the encyclopedia")
    pictures = sample_dataset("train", cache_dir=cache_dir, limit=limit).documents
    scenes = [item.scene for item in split_scenes()["train"][: len(pictures)]]
    table = folder / "encyclopedia.tsv"
    write_encyclopedia(table, scenes, [one.image or "" for one in pictures])
    return table
