from __future__ import annotations

from pathlib import Path

import pytest

from raqo.agents.wordnet import load_wordnet
from raqo.errors import DataError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three noun synsets and one adjective in the WNDB format, with true byte offsets."""
    licence = "  1 This is a made-up database in the WordNet format.\n"
    vessel = "{} 06 n 02 vessel 0 watercraft 0 000 | a craft\n"
    boat = "{} 06 n 01 boat 0 002 @ {} n 0000 ~ {} n 0000 | a small vessel\n"
    dinghy = '{} 06 n 03 dinghy 0 dory 0 Row_Boat 1 001 @ {} n 0000 | a small boat; "a | in a gloss"\n'
    at_vessel = len(licence)
    at_boat = at_vessel + len(vessel.format("0" * 8))
    at_dinghy = at_boat + len(boat.format("0" * 8, "0" * 8, "0" * 8))
    lines = [
        licence,
        vessel.format(f"{at_vessel:08}"),
        boat.format(f"{at_boat:08}", f"{at_vessel:08}", f"{at_dinghy:08}"),
        dinghy.format(f"{at_dinghy:08}", f"{at_boat:08}"),
    ]
    (tmp_path / "data.noun").write_text("".join(lines))
    index = [
        licence,
        f"boat n 1 2 @ ~ 1 1 {at_boat:08}  \n",
        f"dinghy n 1 1 @ 1 0 {at_dinghy:08}  \n",
        f"row_boat n 1 1 @ 1 0 {at_dinghy:08}  \n",
    ]
    (tmp_path / "index.noun").write_text("".join(index))
    (tmp_path / "data.adj").write_text(f"{0:08} 00 s 02 crimson 0 red(a) 0 000 | like blood\n")
    (tmp_path / "index.adj").write_text(f"crimson a 1 0 1 0 {0:08}  \n")
    return tmp_path


def test_synonyms_come_before_wider_words(folder: Path) -> None:
    wordnet = load_wordnet(folder)
    assert wordnet is not None
    assert wordnet.synonyms("Dinghy") == ["dory", "row boat", "boat"]
    assert wordnet.synonyms("boat") == ["vessel", "watercraft"]
    assert wordnet.synonyms("row boat") == ["dinghy", "dory", "boat"]


def test_syntactic_markers_are_dropped(folder: Path) -> None:
    wordnet = load_wordnet(folder)
    assert wordnet is not None
    assert wordnet.synonyms("crimson") == ["red"]


def test_unknown_words_have_none(folder: Path) -> None:
    wordnet = load_wordnet(folder)
    assert wordnet is not None
    assert wordnet.synonyms("zeppelin") == []


def test_without_a_database_there_is_no_wordnet(tmp_path: Path) -> None:
    assert load_wordnet(tmp_path) is None
    assert load_wordnet(tmp_path / "missing") is None


def test_a_broken_index_names_the_line(folder: Path) -> None:
    with (folder / "index.noun").open("a") as file:
        file.write("nonsense\n")
    with pytest.raises(DataError, match=r"index\.noun:5"):
        load_wordnet(folder)
