"""The data card: a README that says what lies in a preference data folder and how it was made."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from raqo.preference_data.build import PreferenceData

_FRONT = """\
---
tags: [query-rewriting, retrieval, preference-data]
configs:
- config_name: ccd
  data_files: ccd.jsonl
- config_name: qre
  data_files: qre.jsonl
- config_name: pro
  data_files: pro.jsonl
- config_name: pairs
  data_files: pairs.jsonl
---
"""

_SCHEMA = """\
## Tables

Each table is a JSON Lines file and a Hugging Face data set (`hf/<table>`, split `train`). Every row has an `id`
(`<query id>/<source>`) and a `prompt`; completions start with one blank, as TRL joins them to the prompt as they are.

- **ccd** — challenging concept detection: `query`, `concepts` (empty for an unambiguous query), `source`
  (`optimize`, `perturb` or `balance`), `prompt`, `completion`.
- **qre** — query rewriting: `query`, `concepts`, `rewrite` (the best one known), `score`, `prompt`, `completion`.
- **pro** — preference ranking: `query`, `concepts`, `prompt`, `candidates` (`text`, `score`, `rank`, `text_similarity`,
  `round`), `completions`, `rewards`; all three in one order, best first.
- **pairs** — every better-worse pair of the lists in pro: `prompt`, `chosen`, `rejected`, `margin`.

A score is the similarity of the wording with the target in the retriever named above, as it is (for CLIP a cosine).
`rank` is the target's rank, ties counted against it, empty beyond the searched depth.

## How it was made

Following MPADE (RAQO): queries that the retriever misunderstands were reworded until it found their target
(`optimize`), queries that it understands were reworded with rare synonyms until it lost the target (`perturb`), and
some that it understands stand for themselves (`balance`). Wordings too far from the query by a sentence encoder were
dropped. Ground truth was used to make these rows: do not evaluate on the same queries.
"""


def render_card(data: PreferenceData) -> str:
    """Write the card as Markdown; the same data gives the same text."""
    counts = {"ccd": len(data.ccd), "qre": len(data.qre), "pro": len(data.pro), "pairs": len(data.pairs)}
    sources = {
        f"ccd, {kind}": sum(row.source == kind for row in data.ccd) for kind in ("optimize", "perturb", "balance")
    }
    lengths = {f"pro, {n} candidates": sum(len(row.candidates) == n for row in data.pro) for n in _lengths(data)}
    provenance = dataclasses.asdict(data.provenance) if data.provenance else {}
    parts = [
        _FRONT,
        "# Preference data of one retriever\n",
        _table("Retriever and conditions", provenance),
        _table("Rows", counts | sources | lengths),
        _table("Traces read", data.traces),
        _table("What mining took", dataclasses.asdict(data.cost)),
        _table("Left out", data.drops),
        _table("Settings", {**dataclasses.asdict(data.settings), "min_gap": data.min_gap}),
        _SCHEMA,
    ]
    return "\n".join(parts)


def _lengths(data: PreferenceData) -> list[int]:
    return sorted({len(row.candidates) for row in data.pro})


def _table(title: str, values: Mapping[str, object]) -> str:
    rows = [f"| {_cell(name)} | {_cell(value)} |" for name, value in values.items()] or ["| none | |"]
    return "\n".join([f"## {title}\n", "| | |", "|---|---|", *rows, ""])


def _cell(value: object) -> str:
    return " ".join(str(value).replace("|", "\\|").split())
