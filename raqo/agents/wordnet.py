"""Synonyms from a WordNet database folder (WNDB), read by a small reader of our own.

Only ``index.<pos>`` and ``data.<pos>`` are needed; Debian's ``wordnet-base`` puts them into ``/usr/share/wordnet``.
Format: man page wndb(5WN).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from raqo.errors import DataError, message

_PARTS = ("noun", "verb", "adj", "adv")
DEFAULT_FOLDER = Path("/usr/share/wordnet")


@dataclass(frozen=True, slots=True)
class WordNet:
    """Lemmas with the synsets they belong to.

    Attributes:
        synsets: part of speech -> lemma -> byte offsets into `data`, the commonest sense first.
        data: part of speech -> the bytes of its data file.
    """

    synsets: dict[str, dict[str, tuple[int, ...]]]
    data: dict[str, bytes]

    def synonyms(self, word: str) -> list[str]:
        """Other words for all senses of a word, then the words one step more general; blanks for underscores."""
        lemma = "_".join(word.casefold().split())
        near: dict[str, None] = {}
        wider: dict[str, None] = {}
        for part, index in self.synsets.items():
            for offset in index.get(lemma, ()):
                lemmas, parents = self._synset(part, offset)
                near.update(dict.fromkeys(lemmas))
                for parent in parents:
                    wider.update(dict.fromkeys(self._synset(part, parent)[0]))
        return [other.replace("_", " ") for other in {**near, **wider} if other != lemma]

    def _synset(self, part: str, offset: int) -> tuple[list[str], list[int]]:
        """Lemmas of a synset, and the offsets of its hypernyms."""
        data = self.data[part]
        fields = data[offset : data.index(b"\n", offset)].decode("utf-8", "replace").split(" | ")[0].split()
        count = int(fields[3], 16)
        lemmas = [lemma.split("(")[0].casefold() for lemma in fields[4 : 4 + 2 * count : 2]]
        pointers = fields[5 + 2 * count : 5 + 2 * count + 4 * int(fields[4 + 2 * count])]
        marked = zip(pointers[::4], pointers[1::4], strict=True)
        return lemmas, [int(target) for symbol, target in marked if symbol in ("@", "@i")]


def load_wordnet(folder: Path = DEFAULT_FOLDER) -> WordNet | None:
    """Read a WNDB folder; ``None`` where there is none.

    Raises:
        DataError: the files are there but are not in the WNDB format.
    """
    parts = [part for part in _PARTS if (folder / f"index.{part}").is_file() and (folder / f"data.{part}").is_file()]
    if not parts:
        return None
    synsets = {part: dict(_index(folder / f"index.{part}")) for part in parts}
    return WordNet(synsets, {part: (folder / f"data.{part}").read_bytes() for part in parts})


def _index(path: Path) -> Iterator[tuple[str, tuple[int, ...]]]:
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
        if line.startswith(" "):  # the licence
            continue
        fields = line.split()
        try:
            yield fields[0], tuple(int(offset) for offset in fields[-int(fields[2]) :])
        except (IndexError, ValueError):
            raise DataError(message(f"{path}:{number}", "not a WNDB index line", "give a WordNet 3 database")) from None
