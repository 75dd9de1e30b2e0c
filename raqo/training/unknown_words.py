"""Detection rows with words that the corpus never had.

Mining can only name challenging words that it has met, and a model trained on these alone learns them by heart: of a
word it has never seen it says nothing. So in some rows words are exchanged for strange ones, which count as
challenging. Only detection learns from such rows: what a strange word stands for, nobody could know.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Sequence
from pathlib import Path

from raqo.agents.prompts import join_concepts, render_detect
from raqo.errors import ConfigError, message
from raqo.training.rows import Pair

_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
_MOST = 3
# Shorter words are mostly articles and prepositions.
_SHORTEST = 4


def unknown_word_rows(folder: Path, words: Sequence[str], *, share: float, seed: int) -> tuple[Pair, ...]:
    """Make `share` rows per row of ``ccd.jsonl``, each with one to three words exchanged for some of `words`."""
    path = folder / "ccd.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.is_file() else []
    rows = [row for row in rows if "query" in row]
    rng = random.Random(f"unknown-{seed}")
    return tuple(_strange(row, words, rng) for row in rng.choices(rows, k=round(share * len(rows)))) if rows else ()


def read_words(path: Path) -> list[str]:
    """Read a list of words, one a line.

    Raises:
        ConfigError: unreadable or empty.
    """
    try:
        words = path.read_text(encoding="utf-8").split()
    except OSError as error:
        raise ConfigError(message(str(path), f"cannot be read ({error.strerror})", "give a list of words")) from error
    if not words:
        raise ConfigError(message(str(path), "has no words", "give a list of words, one a line"))
    return words


def _strange(row: dict[str, object], words: Sequence[str], rng: random.Random) -> Pair:
    query = str(row["query"])
    concepts = [str(concept) for concept in row["concepts"] if str(concept) in query]  # type: ignore[attr-defined]
    named = {word for concept in concepts for word in _WORD.findall(concept)}
    free = [match for match in _WORD.finditer(query) if match[0] not in named and len(match[0]) >= _SHORTEST]
    chosen = sorted(rng.sample(free, min(len(free), rng.randint(1, _MOST))), key=lambda match: -match.start())
    for match in chosen:
        strange = rng.choice(words)
        concepts.append(strange)
        query = query[: match.start()] + strange + query[match.end() :]
    concepts.sort(key=query.find)
    return Pair(render_detect(query), f" {join_concepts(concepts)}")
