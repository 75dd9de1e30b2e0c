"""The passages of a file that may be larger than memory: read as a stream, and searched and shown from disk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, overload

from raqo import __version__
from raqo.preference_data.sources.detect import detect
from raqo.preference_data.sources.knowledge import distinct_passages
from raqo.preference_data.sources.knowledge_settings import KnowledgeSettings
from raqo.preference_data.sources.settings import SourceSettings
from raqo.records import Document
from raqo.retrievers.bm25.build import file_origin
from raqo.retrievers.bm25.stored_passages import StoredPassages, open_or_store
from raqo.retrievers.settings import RetrieverSettings
from raqo.workflows.progress import bar, say

if TYPE_CHECKING:
    from raqo.workflows.parts import Parts

# Benchmarks whose passages are chosen by the split.
_SPLIT = ("infoseek-m2kr", "e-vqa")
LARGE = 1 << 30


@dataclass(frozen=True)
class PassageFile(Sequence[Document]):
    """Passages in the order of their ids. Their file is read once, when one is first needed, and not held.

    Attributes:
        settings: how the file is read; what concerns questions is left at its default.
        retriever: settings of the bm25 retriever that keeps the passages beside its index.
        index_dir: where it keeps them.
    """

    settings: KnowledgeSettings
    retriever: RetrieverSettings
    index_dir: Path

    @cached_property
    def stored(self) -> StoredPassages:
        """Index and texts on disk, made now unless the file is as it was when they were made.

        Raises:
            DataError: the file cannot be used.
            RunFolderError: they cannot be written.
        """
        return open_or_store(self.retriever, self._read, index_dir=self.index_dir, origin=self._origin())

    @cached_property
    def size(self) -> int:
        """Number of passages, by reading all of them; nothing is written.

        Raises:
            DataError: the file cannot be used.
        """
        return sum(1 for _ in distinct_passages(self.settings))

    def __len__(self) -> int:
        return len(self.stored)

    @overload
    def __getitem__(self, position: int) -> Document: ...
    @overload
    def __getitem__(self, position: slice) -> Sequence[Document]: ...
    def __getitem__(self, position: int | slice) -> Document | Sequence[Document]:
        return self.stored[position]

    def _read(self) -> Iterator[Document]:
        say(f"indexing the passages of {self.settings.passages}")
        with bar("passages", None, "passages") as shown:
            for document in distinct_passages(self.settings):
                yield document
                shown.update()

    def _origin(self) -> str:
        """The state of every file that is read, and all that decides what is read of it."""
        path, settings = Path(self.settings.passages or ""), self.settings
        files = sorted(path.glob("*.parquet")) if path.is_dir() else [path]
        how = f"{settings.benchmark} {settings.split} {settings.on_error} {settings.counts} {__version__}"
        return "\n".join([how, *map(file_origin, files)])


def passages_of_benchmark(parts: Parts, settings: KnowledgeSettings) -> PassageFile | None:
    """The passages that a benchmark names; None where they are to be held: no file, or a retriever that holds them."""
    if not settings.passages:
        return None
    if not _stores(parts.retriever_settings):
        _say_if_large(Path(settings.passages))
        return None
    reading = KnowledgeSettings(
        benchmark=settings.benchmark,
        passages=settings.passages,
        split=settings.split if settings.benchmark in _SPLIT else "test",
        on_error=settings.on_error,
        counts=settings.counts,
    )
    return PassageFile(reading, parts.retriever_settings, Path(parts.config.cache_dir) / "indexes")


def passages_of_corpus(parts: Parts, source: SourceSettings) -> PassageFile | None:
    """The corpus of a BEIR folder; None for data of another form, or where they are to be held."""
    if not _stores(parts.retriever_settings) or detect(source) != "beir":
        return None
    corpus = str(Path(source.path, "corpus.jsonl"))
    settings = KnowledgeSettings(benchmark="jsonl", passages=corpus, on_error=source.on_error)
    return passages_of_benchmark(parts, settings)


def counted(documents: Sequence[Document]) -> int:
    """How many there are, without writing anything."""
    return documents.size if isinstance(documents, PassageFile) else len(documents)


def _say_if_large(path: Path) -> None:
    if path.is_file() and path.stat().st_size > LARGE:
        size = f"{path.stat().st_size / 2**30:.1f} GiB"
        say(f"{path}: {size} of passages will be held in memory; retriever.kind bm25 keeps them on disk")


def _stores(settings: RetrieverSettings) -> bool:
    return settings.kind == "bm25" and settings.engine == "bm25s"
