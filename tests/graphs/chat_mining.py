"""`raqo mine` with a chat model over the toy world; as a program it is the command line with the toy's parts."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from mining_toy import SYNONYMS, ToyRetriever, ToySentenceEncoder, dataset, rare_queries

import raqo.cli
import raqo.workflows.parts
from raqo import config_loader
from raqo.config import RunConfig
from raqo.protocols import Retriever
from raqo.records import Document, OnError, RetrievalDataset
from raqo.workflows.mine import run_mining
from raqo.workflows.parts import Parts
from raqo.workflows.run_folder import open_run

DATA = dataset(rare_queries())
RARE = {common: rare for rare, common in SYNONYMS.items()}

CONFIG = """
data: {{train: {{path: toy}}}}
reviewer: chat
chat:
  preset: vllm
  model: scripted
  base_url: {url}
  prices: {{scripted: {{prompt: 100, completion: 1000}}}}
  flow: {{start_concurrency: 64, max_attempts: 8, max_wait_s: 0.02}}
review: {{max_tokens: 256}}
mining: {{batch_size: 6, batches_in_flight: 4, max_rounds: 3, max_failure_rate: 0.6}}
cache_dir: {cache}
"""


class ToyParts(Parts):
    """The toy world instead of what the configuration names; the chat model is the real one."""

    def dataset(self, name: str) -> RetrievalDataset:
        return DATA

    def gallery(self, documents: Sequence[Document], *, on_error: OnError = "fail") -> Retriever:
        return ToyRetriever()

    @cached_property
    def text_encoder(self) -> ToySentenceEncoder:  # type: ignore[override]
        return ToySentenceEncoder()

    @property
    def encoder_fingerprint(self) -> str:
        return "toy"


def answer(body: Mapping[str, Any]) -> str:
    """Reviews that say one more rare word commonly, perturbations that say one or two words rarely; both are marked."""
    content, mark = body["messages"][1]["content"], marked(body)
    if isinstance(content, str):
        query = json.loads(content)["query"]
        variants = [replaced(query, RARE, count) for count in (1, 2)]
        return json.dumps({"variants": [{"text": text, "concepts": found} for text, found in variants], "mark": mark})
    asked = json.loads(content[0]["text"])
    rewrites = [replaced(asked["current_query"], SYNONYMS, count)[0] for count in (1, 2)]
    concepts = [word for word in asked["original_query"].split() if word in SYNONYMS]
    return json.dumps({"difference": mark, "weakness": "w", "concepts": concepts, "rewrites": rewrites})


def marked(body: Mapping[str, Any]) -> str:
    """What tells one question from another, asked once or twice."""
    return "mark-" + hashlib.sha256(json.dumps(body["messages"][1], sort_keys=True).encode()).hexdigest()[:16]


def replaced(text: str, words: Mapping[str, str], count: int) -> tuple[str, list[str]]:
    """Exchange the first words that can be, and say what was put in."""
    found: list[str] = []
    parts = text.split()
    for at, word in enumerate(parts):
        if word in words and len(found) < count:
            parts[at] = words[word]
            found.append(words[word])
    return " ".join(parts), found


def write_config(folder: Path, url: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "chat.yaml"
    path.write_text(CONFIG.format(url=url, cache=folder / "cache"), encoding="utf-8")
    return path


def run(config: Path, out: Path, *overrides: str, **options: Any) -> dict[str, Any]:
    """Mine within this process."""
    loaded = config_loader.load(RunConfig, config, overrides)
    return run_mining(ToyParts(loaded), open_run(out, "resume"), **options)


def traces(out: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """Finished traces by query and origin, each once."""
    rows = [json.loads(line) for line in (out / "traces.jsonl").read_text(encoding="utf-8").splitlines()[1:]]
    found = {(row["query_id"], row["origin"]): row for row in rows}
    assert len(found) == len(rows)
    return found


def main() -> int:
    raqo.workflows.parts.Parts = ToyParts  # type: ignore[misc]
    return raqo.cli.main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
