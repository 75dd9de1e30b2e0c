"""The trained rewriter, aligned to the retriever by its preferences (RAQO), as a source of expansions in the loop."""

from __future__ import annotations

from collections.abc import Sequence

from raqo.protocols import Expanded, Expander, ExpansionCase, Rewriter
from raqo.records import Failure, FailureKind


class RewriterExpander:
    """Implements `raqo.protocols.Expander` over any `raqo.protocols.Rewriter`; it has no temperature.

    The rewriter gets question and caption as one text, as it was taught (`raqo.graphs.expansion_mining`), and what it
    answers is added to the question. It knows nothing of what was tried: optimisation is left to `refiner`.

    Args:
        rewriter: trained on preferences of the retriever.
        rewrites: asked of each question at most; more than one are searched by beams, which takes many times as long.
        refiner: adds its own expansions and improves on those tried; without it there is no optimisation.
    """

    def __init__(self, rewriter: Rewriter, *, rewrites: int = 1, refiner: Expander | None = None) -> None:
        self._rewriter = rewriter
        self._rewrites = rewrites
        self._refiner = refiner

    @property
    def name(self) -> str:
        """The weights, for provenance."""
        refined = f"+{self._refiner.name}" if self._refiner else ""
        return f"rewriter:{self._rewriter.fingerprint}{refined}"

    @property
    def prompt_hash(self) -> str:
        """Of the refiner; the rewriter's prompts belong to its weights."""
        return self._refiner.prompt_hash if self._refiner else ""

    def expand(self, cases: Sequence[ExpansionCase], *, n: int, temperature: float) -> list[Expanded]:
        """Propose the rewrites of new questions, then the refiner's expansions, n in all."""
        others = self._refiner.expand(cases, n=n, temperature=temperature) if self._refiner else None
        new = [row for row, case in enumerate(cases) if not case.tried]
        texts = [f"{cases[row].query.text} {cases[row].caption}".strip() for row in new]
        rewrites = dict(zip(new, self._rewritten(texts, min(n, self._rewrites)), strict=True))
        return [
            _joined(rewrites.get(row, []), others[row] if others else None, n, tried=bool(case.tried))
            for row, case in enumerate(cases)
        ]

    def _rewritten(self, texts: Sequence[str], n: int) -> list[list[str]]:
        if not texts:
            return []
        concepts = [found or () for found in self._rewriter.detect(texts)]
        return self._rewriter.rewrite(texts, concepts, n=n)


def _joined(own: Sequence[str], other: Expanded | None, n: int, *, tried: bool) -> Expanded:
    if other is not None and not isinstance(other.answer, Failure):
        return Expanded(tuple(dict.fromkeys([*own, *other.answer]))[:n], other.cost)
    if own or tried:
        return Expanded(tuple(own)[:n])
    return other or Expanded(Failure(FailureKind.EMPTY, "the rewriter gave no text", 0))
