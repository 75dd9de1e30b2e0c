"""`raqo rewrite` and `raqo search`: one query through a finished run's served graph, or straight to its retriever."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from raqo.graphs.rewriting import Step, stream_rewrite
from raqo.graphs.rewriting_state import Context
from raqo.records import Document, Query, Ranking, RewriteResult
from raqo.workflows.build_data import check_encoder, read_gate
from raqo.workflows.evaluate import final_model
from raqo.workflows.galleries import open_gallery
from raqo.workflows.knowledge.corpus import Corpus
from raqo.workflows.open_rewriter import open_rewriter
from raqo.workflows.parts import Parts
from raqo.workflows.run_folder import find_run


def rewrite_one(text: str, run: Path, *, gallery: str | None = None, k: int = 5) -> Iterator[Step | RewriteResult]:
    """Rewrite one query and search with it, giving each step of the graph as it ends and the result last.

    Args:
        text: the query.
        run: a run folder.
        gallery: what is searched, one of `gallery_names`; by default the first.
        k: hits to give.
    """
    yield from rewrite_in(served_context(run, gallery=gallery, k=k), text)


def rewrite_in(served: Context, text: str) -> Iterator[Step | RewriteResult]:
    """The same in a run that is open already; it gives as many hits as that says."""
    yield from stream_rewrite(
        Query("query", text), retriever=served.retriever, rewriter=served.rewriter, gate=served.gate, k=served.k
    )


def served_context(run: Path, *, gallery: str | None = None, k: int = 10) -> Context:
    """The live objects of the served graph, from a run folder: retriever, final rewriter and gate.

    A run of questions about pictures has no gate of its own: it is the configuration's.
    """
    return open_served(run, gallery=gallery, k=k)[0]


def open_served(run: Path, *, gallery: str | None = None, k: int = 10) -> tuple[Context, Corpus]:
    """`served_context`, and the gallery that it searches, which knows the documents behind the hits."""
    folder, config = find_run(run)
    parts = Parts(config)
    _, model = final_model(folder)
    check_encoder(parts, folder)
    corpus = open_gallery(parts, gallery)
    rewriter = open_rewriter(model, config.rewriter)
    gate = read_gate(folder) if config.data.train else config.gate
    return Context(retriever=corpus.retriever, rewriter=rewriter, gate=gate, k=k), corpus


def search_one(text: str, parts: Parts, *, gallery: str | None = None, k: int = 5) -> tuple[Ranking, list[Document]]:
    """Search with one query as it is; also gives the documents that were found, in the order of the hits.

    Args:
        text: the query.
        parts: of the configuration.
        gallery: one of `gallery_names`; by default the first.
        k: hits to give.

    Raises:
        ConfigError: there is no such gallery.
        DataError: its documents cannot be used.
    """
    corpus = open_gallery(parts, gallery)
    (ranking,) = corpus.retriever.search([Query("query", text)], k=k)
    return ranking, corpus.found(ranking)
