"""The model card of a stage."""

from __future__ import annotations

from raqo.training.manifest import Manifest

_TITLES = {
    "ccd": "challenging concept detection (CCD-SFT)",
    "qre": "query rewriting (QRE-SFT)",
    "pro": "preference ranking optimisation (PRO)",
}


def model_card(manifest: Manifest) -> str:
    """Markdown for a folder's README: what the model is for, what it was made from, how it ended."""
    inputs = manifest.inputs
    stages = " → ".join([*inputs.lineage, manifest.stage])
    facts = {
        "base model (sha256)": inputs.base_model,
        "weights (sha256)": manifest.weights,
        "retriever": inputs.retriever or "not recorded",
        "prompts": inputs.prompts,
        "seed": inputs.seed,
        "raqo": inputs.code_version,
        "rows": f"{manifest.rows} ({manifest.too_long} left out as too long)",
        "optimiser steps": manifest.steps,
    }
    metrics = {name: f"{value:.4g}" for name, value in manifest.metrics.items() if name != "step"}
    return "\n".join(
        [
            "---\nlibrary_name: transformers\npipeline_tag: text-generation\ntags: [raqo, query-rewriting]\n---",
            f"# Query rewriter, stage {manifest.stage}: {_TITLES[manifest.stage]}\n",
            f"Stages passed: {stages}. It finds the words of a query that its retriever does not understand and",
            "rewrites the query in words that the retriever prefers. It is made for one retriever only, the one named",
            "below; its answers are plain text to be checked before use.\n",
            _table(facts),
            "\n## Last training metrics\n",
            _table(metrics),
            "\n## Settings\n",
            _table(dict(inputs.settings)),
            "",
        ]
    )


def _table(values: dict[str, object] | dict[str, str]) -> str:
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in values.items())])
