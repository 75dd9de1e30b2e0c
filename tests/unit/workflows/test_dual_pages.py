from __future__ import annotations

from pathlib import Path

import pytest

from raqo.config import PagesSettings
from raqo.errors import DataError
from raqo.workflows.knowledge.dual_pages import read_pages

COLUMNS = ("language", "page_title", "image_url", "caption_reference_description", "context_page_description")
CONTEXT = "A boat floats. It carries people."


def write_wit(path: Path, urls: list[str]) -> PagesSettings:
    rows = [COLUMNS, *(("en", "boat", url, "", CONTEXT) for url in urls)]
    (path / "wit.tsv").write_text("\n".join("\t".join(row) for row in rows), encoding="utf-8")
    (path / "images").mkdir()
    return PagesSettings(wit=str(path / "wit.tsv"), images=str(path / "images"))


def test_a_picture_is_found_by_the_file_name_of_its_url(tmp_path: Path) -> None:
    settings = write_wit(tmp_path, ["https://example.org/a/b/My%20boat.jpg?width=3", "https://example.org/other.jpg"])
    picture = tmp_path / "images" / "My boat.jpg"
    picture.touch()
    (found,) = read_pages(settings, tmp_path, cache_dir=tmp_path)
    assert (found.image, found.sentence, found.passage) == (str(picture), "A _ floats.", "It carries people.")


@pytest.mark.parametrize(
    "url",
    ["../secret.jpg", "https://x/%2e%2e/secret.jpg/..", "https://x/..%5Csecret.jpg", "/", "https://x/a%00.jpg", ""],
)
def test_no_url_leads_out_of_the_folder(tmp_path: Path, url: str) -> None:
    settings = write_wit(tmp_path, [url])
    (tmp_path / "secret.jpg").touch()
    with pytest.raises(DataError, match=r"no page with a picture.*pages\.images"):
        read_pages(settings, tmp_path, cache_dir=tmp_path)
