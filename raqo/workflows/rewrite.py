"""`raqo rewrite` and `raqo search`: one query through a finished run's served graph, or straight to its retriever."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from raqo.errors import ConfigError, message
from raqo.graphs.rewriting import Step, stream_rewrite
from raqo.graphs.rewriting_state import Context
from raqo.protocols import Retriever
from raqo.records import Document, Query, Ranking, RewriteResult
from raqo.workflows.build_data import check_encoder, read_gate
from raqo.workflows.evaluate import model_folders
from raqo.workflows.open_rewriter import open_rewriter
from raqo.workflows.parts import Parts
from raqo.workflows.run_folder import find_run


def rewrite_one(text: str, run: Path, *, gallery: str | None = None, k: int = 5) -> Iterator[Step | RewriteResult]:
    """Rewrite one query and search with it, giving each step of the graph as it ends and the result last.

    Args:
        text: the query.
        run: a run folder.
        gallery: name of the evaluation set that is searched; by default the first one.
        k: hits to give.
    """
    served = served_context(run, gallery=gallery, k=k)
    yield from stream_rewrite(
        Query("query", text), retriever=served.retriever, rewriter=served.rewriter, gate=served.gate, k=k
    )


def served_context(run: Path, *, gallery: str | None = None, k: int = 10) -> Context:
    """The live objects of the served graph, from a run folder: retriever, final rewriter and gate."""
    folder, config = find_run(run)
    parts = Parts(config)
    check_encoder(parts, folder)
    model = list(model_folders(config, folder, parts.base_model).values())[-1]
    retriever, _ = open_gallery(parts, gallery)
    rewriter = open_rewriter(model, config.rewriter)
    return Context(retriever=retriever, rewriter=rewriter, gate=read_gate(folder), k=k)


def search_one(
    text: str, parts: Parts, *, gallery: str | None = None, k: int = 5
) -> tuple[Ranking, dict[str, Document]]:
    """Search with one query as it is; gives the documents by id too."""
    retriever, documents = open_gallery(parts, gallery)
    (ranking,) = retriever.search([Query("query", text)], k=k)
    return ranking, documents


def open_gallery(parts: Parts, name: str | None) -> tuple[Retriever, dict[str, Document]]:
    """The retriever over one of the configured data sets, and its documents by id."""
    names = list(parts.config.data.evaluate) or ["train"]
    chosen = name or names[0]
    if chosen not in (*names, "train"):
        raise ConfigError(message(f"gallery {chosen!r}", "unknown", f"use one of: {', '.join([*names, 'train'])}"))
    documents = parts.dataset(chosen).documents
    return parts.gallery(documents), {document.doc_id: document for document in documents}
