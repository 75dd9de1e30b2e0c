"""Settings of the structures that find candidates among vectors. Imports nothing heavy."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from raqo.errors import ConfigError, message


@dataclass(frozen=True, slots=True, kw_only=True)
class IvfSettings:
    """faiss IVF: vectors in lists around k-means centres; a query reads the lists nearest to it.

    Attributes:
        lists: k-means centres; ``None`` takes 4 times the root of the gallery's size, and fewer for a small gallery.
        probes: lists read for a query.
    """

    lists: int | None = None
    probes: int = 8

    def __post_init__(self) -> None:
        _at_least("ivf", lists=(1, self.lists), probes=(1, self.probes))


@dataclass(frozen=True, slots=True, kw_only=True)
class HnswSettings:
    """faiss HNSW: a graph of near neighbours that a query walks through.

    Attributes:
        links: of each vector (M).
        build_breadth: candidates kept while the graph is built (efConstruction).
        search_breadth: candidates kept while a query walks (efSearch).
    """

    links: int = 32
    build_breadth: int = 80
    search_breadth: int = 64

    def __post_init__(self) -> None:
        values = {"links": self.links, "build_breadth": self.build_breadth, "search_breadth": self.search_breadth}
        _at_least("hnsw", **{name: (2 if name == "links" else 1, value) for name, value in values.items()})


@dataclass(frozen=True, slots=True, kw_only=True)
class HammingSettings:
    """faiss IndexLSH: one bit string per vector, all of them compared with the query's. It has no buckets.

    Attributes:
        bits: signs of random projections per vector.
        refine: the vectors with the nearest bit strings, at least, that are scored exactly.
    """

    bits: int = 256
    refine: int = 100

    def __post_init__(self) -> None:
        _at_least("lsh_faiss", bits=(8, self.bits), refine=(1, self.refine))


@dataclass(frozen=True, slots=True, kw_only=True)
class LshSettings:
    """Hash tables over random hyperplanes (QueryFormer, Algorithm 1). The paper leaves both numbers open.

    Attributes:
        tables: L.
        hyperplanes: k, bits of a key, at most 62.
        probes: further buckets read in each table: their keys differ in one bit each, the most narrowly decided
            bits first.
        seed: of the hyperplanes.
        target_recall: share of the ten nearest neighbours to be among the candidates. Where given, `tables` and
            `hyperplanes` are chosen from the gallery: the fewest expected candidates that reach it.
        max_candidates: the most candidates per query that tuning may expect.
        max_tables: the most tables that tuning may choose.
        scan_when_short: score the whole gallery for a query with fewer candidates than hits asked for; else its
            ranking is short.
    """

    tables: int = 16
    hyperplanes: int = 12
    probes: int = 0
    seed: int = 0
    target_recall: float | None = None
    max_candidates: int = 10_000
    max_tables: int = 64
    scan_when_short: bool = False

    def __post_init__(self) -> None:
        _at_least("lsh", tables=(1, self.tables), hyperplanes=(1, self.hyperplanes), probes=(0, self.probes))
        _at_least("lsh", seed=(0, self.seed), max_candidates=(1, self.max_candidates), max_tables=(1, self.max_tables))
        if self.hyperplanes > 62:
            raise _wrong("lsh", "hyperplanes", "at most 62", self.hyperplanes)
        if self.probes > self.hyperplanes:
            raise _wrong("lsh", "probes", f"at most one per hyperplane ({self.hyperplanes})", self.probes)
        if self.target_recall is not None and not 0 < self.target_recall < 1:
            raise _wrong("lsh", "target_recall", "more than 0 and less than 1", self.target_recall)


IndexSettings = IvfSettings | HnswSettings | HammingSettings | LshSettings


def describe(settings: IndexSettings) -> str:
    """One line that tells apart any two settings."""
    values = " ".join(f"{name}={value}" for name, value in asdict(settings).items())
    return f"{type(settings).__name__.removesuffix('Settings').lower()} {values}"


def _at_least(section: str, **values: tuple[int, int | None]) -> None:
    for name, (least, value) in values.items():
        if value is not None and value < least:
            raise _wrong(section, name, f"at least {least}", value)


def _wrong(section: str, name: str, expected: str, got: float) -> ConfigError:
    return ConfigError(message(f"retriever.{section}.{name}", f"expected {expected}, got {got}", "correct the value"))
