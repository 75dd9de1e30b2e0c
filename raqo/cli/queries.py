"""Verbs that ask something of a run or of a configuration, and leave no run folder."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raqo.cli.options import add_config, add_gallery, add_verb, load, query, show, values_text

if TYPE_CHECKING:
    from raqo.records import KnowledgeDataset
    from raqo.workflows.parts import Parts


def add_verbs(verbs: Any) -> None:
    """``rewrite``, ``search``, ``index``, ``check``."""
    verb = add_verb(verbs, "rewrite", _rewrite, "rewrite one query and show what it finds before and after")
    verb.add_argument("text", type=query, help="the query, in quotes")
    verb.add_argument("--rewriter", type=Path, required=True, metavar="RUN", help="a run folder")
    add_gallery(verb)

    verb = add_verb(verbs, "search", _search, "search with one query as it is")
    verb.add_argument("text", type=query, help="the query, in quotes")
    add_config(verb)
    add_gallery(verb)

    verb = add_verb(verbs, "index", _index, "index the galleries of a configuration ahead of time")
    add_config(verb)

    verb = add_verb(verbs, "check", _check, "read a configuration and its data, and say what is wrong with them")
    add_config(verb)


def _rewrite(arguments: argparse.Namespace) -> None:
    from raqo.records import RewriteResult
    from raqo.workflows.progress import say
    from raqo.workflows.rewrite import open_served, rewrite_in
    from raqo.workflows.show import result_json, result_text, step_line

    served, corpus = open_served(arguments.rewriter, gallery=arguments.gallery, k=arguments.k)
    for step in rewrite_in(served, arguments.text):
        if isinstance(step, RewriteResult):
            found = corpus.found(step.before), corpus.found(step.after)
            show(arguments, result_json(step, *found), result_text(step, *found))
        else:
            say(step_line(step))


def _search(arguments: argparse.Namespace) -> None:
    from raqo.workflows.parts import Parts
    from raqo.workflows.rewrite import search_one
    from raqo.workflows.show import hit_lines, hits_json

    found = search_one(arguments.text, Parts(load(arguments)), gallery=arguments.gallery, k=arguments.k)
    show(arguments, {"hits": hits_json(*found)}, "\n".join(hit_lines(*found)) or "nothing found")


def _index(arguments: argparse.Namespace) -> None:
    from raqo.workflows.galleries import gallery_names, open_gallery
    from raqo.workflows.parts import Parts

    parts, found = Parts(load(arguments)), {}
    for name in gallery_names(parts):
        retriever = open_gallery(parts, name).retriever
        found[name] = {"documents": retriever.size, "fingerprint": retriever.fingerprint}
    show(arguments, found, "\n".join(f"{name}: {values_text(values)}" for name, values in found.items()))


def _check(arguments: argparse.Namespace) -> None:
    from raqo.workflows.checks import say_doubts
    from raqo.workflows.knowledge.passage_file import counted
    from raqo.workflows.parts import Parts
    from raqo.workflows.readable import say_unreadable
    from raqo.workflows.toy_model import say_toy

    parts = Parts(load(arguments))
    datasets = {name: parts.read(name) for name in _data_sets(parts)}
    found = {
        name: {"documents": len(dataset.documents), "queries": len(dataset.queries)}
        for name, dataset in datasets.items()
    }
    for name, asked in _knowledge_sets(parts).items():
        say_unreadable(asked, name)
        found[name] = {
            "questions": len(asked.questions),
            "passages": counted(asked.documents),
            "pictures": sum(one.query.image is not None for one in asked.questions),
            "captions": sum(bool(one.caption) for one in asked.questions),
        }
    show(arguments, found, "\n".join(f"{name}: {values_text(values)}" for name, values in found.items()))
    say_doubts(parts, datasets)
    if parts.config.data.train:
        say_toy(parts.config)


def _data_sets(parts: Parts) -> list[str]:
    """Names of what the section ``data`` holds."""
    return [*(["train"] if parts.config.data.train else []), *parts.config.data.evaluate]


def _knowledge_sets(parts: Parts) -> dict[str, KnowledgeDataset]:
    """What the section ``knowledge`` holds, where there is one."""
    if parts.config.knowledge is None:
        return {}
    from raqo.workflows.knowledge.data import KnowledgeData

    data = KnowledgeData(parts)
    return {"knowledge.evaluate": data.test} | ({"knowledge.train": data.train} if data.train else {})
