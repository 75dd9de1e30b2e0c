"""Where a knowledge benchmark lies and how to read it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from raqo.errors import ConfigError, message
from raqo.records import OnError

Benchmark = Literal[
    "okvqa-gs112k", "okvqa-wk11m", "okvqa-wk21m", "remuq", "infoseek", "infoseek-m2kr", "e-vqa", "jsonl", "sample"
]  # fmt: skip
OnCount = Literal["fail", "warn", "ignore"]


@dataclass(frozen=True, kw_only=True, slots=True)
class KnowledgeSettings:
    """Settings of one knowledge benchmark; questions and passages are read apart, and each needs its own path.

    Attributes:
        benchmark: which one; it decides the formats and the published counts. ``jsonl`` is for questions of one's own,
            see `raqo.preference_data.sources.knowledge_jsonl`; ``sample`` is the built-in world, which has no files.
        questions: file with the questions; for M2KR also a folder of Parquet files named by split.
        annotations: a second file beside it: OK-VQA's answers (for its official question file), or InfoSeek's
            ``*_withkb.jsonl``.
        passages: file with the corpus; for M2KR also a folder of Parquet files named by split.
        images: folder of the pictures (ReMuQ: of ``imgs.tsv`` and ``imgs.lineidx``); without it questions have none,
            but for ``jsonl``, whose paths start at the folder of `questions` then.
        cache: folder to which ReMuQ's and the sample's pictures are written; needed with ReMuQ's `images`.
        name: of the data set; by default the benchmark's, for ``jsonl`` the question file's.
        split: ``train``, ``val`` or ``test``; M2KR calls ``val`` ``valid``.
        limit: take so many questions; the corpus stays whole.
        seed: which ones `limit` takes.
        on_error: what a bad entry does: ``fail`` with one clear error, or ``skip`` it, counted and logged.
        counts: what a count that differs from the published one does; a part of a benchmark needs ``ignore``.
    """

    benchmark: Benchmark
    questions: str | None = None
    annotations: str | None = None
    passages: str | None = None
    images: str | None = None
    cache: str | None = None
    name: str = ""
    split: str = "test"
    limit: int | None = None
    seed: int = 0
    on_error: OnError = "fail"
    counts: OnCount = "warn"

    def __post_init__(self) -> None:
        if self.limit is not None and self.limit < 1:
            fix = "leave it out to take every question"
            raise ConfigError(message("limit", f"expected at least 1, got {self.limit}", fix))
        if self.benchmark == "remuq" and self.images and not self.cache:
            problem = "ReMuQ keeps its pictures in one table"
            raise ConfigError(message("cache", problem, "name a folder to unpack them to"))
        if self.benchmark == "sample" and (self.questions or self.passages or self.images or self.annotations):
            raise ConfigError(message("benchmark", "the sample has no files", "give split, limit and seed only"))
