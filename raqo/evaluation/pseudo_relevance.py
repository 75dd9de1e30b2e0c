"""Pseudo-relevance: a passage is relevant when an answer stands in it (Luo et al. 2021; Qu et al. 2021).

What counts, in both forms:

- Passage and answer are lower-cased with `str.lower`. Nothing else is normalised: articles, accents, punctuation and
  blanks must agree, and the passage is never stemmed, so a stemmed answer matches only where its letters stand.
- Every answer counts alike, however few people gave it. Empty answers count for nothing.
- Rankings are taken in the order given: whoever has ties orders them first. A passage listed twice counts twice.
- Precision divides by K even where fewer passages were found.

The same passages score higher with `Match.SUBSTRING` than with `Match.WORD`, and with stemmed answers than with raw
ones; the metrics' names therefore carry both.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from raqo.errors import DataError, message
from raqo.records import Question, Ranking

Relevance = npt.NDArray[np.bool_]
PerQuestion = dict[str, npt.NDArray[np.float64]]
"""Metric name to one value per question, of shape (n,)."""
MRR_DEPTH = 5


class Match(StrEnum):
    """When an answer stands in a passage.

    ``SUBSTRING``: its letters stand there, even inside a word: *cat* in *category* (Luo et al. 2021, "Weakly-supervised
    visual-retriever-reader"; also M2KR's pseudo recall).

    ``WORD``: it stands there as whole words; blanks around the answer are dropped (Qu et al. 2021, "Passage retrieval
    for outside-knowledge VQA", where the answer stands in a regular expression between two word boundaries). Unlike
    there, the answer is text and no pattern: *st. louis* does not match *stx louis*, and *c++* can match at all.
    """

    SUBSTRING = "substring"
    WORD = "word"


class AnswerForm(StrEnum):
    """Which wording of the answers is looked for: as people gave it, or stemmed as OK-VQA's field ``answer`` is."""

    RAW = "raw"
    STEMMED = "stemmed"


@dataclass(frozen=True, kw_only=True, slots=True)
class PseudoRelevance:
    """What counts as relevant; its `label` stands in the name of every metric."""

    match: Match = Match.SUBSTRING
    answers: AnswerForm = AnswerForm.RAW

    @property
    def label(self) -> str:
        """For example ``substring-raw``."""
        return f"{self.match.value}-{self.answers.value}"


def relevance(texts: Sequence[str], answers: Iterable[str], match: Match) -> Relevance:
    """Which passages hold any of the answers: shape (len(texts),).

    Args:
        texts: passages of one ranking, best first.
        answers: answers to the question; their order and repetitions do not matter.
        match: `Match`.
    """
    wanted = {answer.lower() for answer in answers if answer.strip()}
    if match is Match.SUBSTRING:
        found = (any(answer in text for answer in wanted) for text in map(str.lower, texts))
    else:
        pattern = _words(wanted)
        found = (bool(wanted) and pattern.search(text) is not None for text in map(str.lower, texts))
    return np.fromiter(found, dtype=np.bool_, count=len(texts))


def precision_at(relevant: Relevance, k: int) -> npt.NDArray[np.float64]:
    """P@K: relevant passages among the first k, divided by k.

    Args:
        relevant: shape (n, depth), rows best first; missing passages count as not relevant.
        k: cut-off, at least 1; may exceed the depth.

    Returns:
        Shape (n,), values in [0, 1].
    """
    return np.asarray(relevant[:, :k].sum(axis=1) / k, dtype=np.float64)


def hit_at(relevant: Relevance, k: int) -> npt.NDArray[np.float64]:
    """R@K of these papers (PR@K in MIRe): 1 if any of the first k passages is relevant, else 0; shape (n,)."""
    return np.asarray(relevant[:, :k].any(axis=1), dtype=np.float64)


def reciprocal_rank_at(relevant: Relevance, k: int = MRR_DEPTH) -> npt.NDArray[np.float64]:
    """MRR@K: 1 / rank of the first relevant passage, 0 if none is among the first k. Shapes as `precision_at`."""
    head = relevant[:, :k]
    if head.shape[1] == 0:
        return np.zeros(len(head))
    ranks = head.argmax(axis=1) + 1
    return np.asarray(head.any(axis=1) / ranks, dtype=np.float64)


def per_question(
    rankings: Sequence[Sequence[str]],
    answers: Sequence[Collection[str]],
    *,
    mode: PseudoRelevance,
    ks: Sequence[int] = (1, 5, 10),
) -> PerQuestion:
    """Measure the passages found for each question.

    Args:
        rankings: for each question the texts of its passages, best first; may be short or empty.
        answers: for each question its answers, in the form that `mode` names.
        mode: what counts as relevant.
        ks: cut-offs, each at least 1.

    Returns:
        ``p@k[label]``, ``r@k[label]`` and ``mrr@5[label]``, each of shape (n,) in the order of `rankings`.

    Raises:
        ValueError: not as many answers as rankings, or a cut-off below 1.
        DataError: a question has no answer, so nothing could be relevant.
    """
    if len(rankings) != len(answers) or min(ks, default=1) < 1:
        raise ValueError(
            f"{len(rankings)} rankings, {len(answers)} sets of answers, ks {tuple(ks)}; see the docstring."
        )
    depth = max((*ks, MRR_DEPTH))
    relevant = np.zeros((len(rankings), depth), dtype=np.bool_)
    for row, (texts, own) in enumerate(zip(rankings, answers, strict=True)):
        if not any(answer.strip() for answer in own):
            raise DataError(message(f"question {row}", "has no answer", "drop it, or add its answers"))
        top = texts[:depth]
        relevant[row, : len(top)] = relevance(top, own, mode.match)
    columns = {f"p@{k}[{mode.label}]": precision_at(relevant, k) for k in ks}
    columns |= {f"r@{k}[{mode.label}]": hit_at(relevant, k) for k in ks}
    return columns | {f"mrr@{MRR_DEPTH}[{mode.label}]": reciprocal_rank_at(relevant)}


def score_rankings(
    questions: Sequence[Question],
    rankings: Sequence[Ranking],
    texts: Mapping[str, str],
    *,
    mode: PseudoRelevance,
    ks: Sequence[int] = (1, 5, 10),
) -> PerQuestion:
    """`per_question` for a retriever's rankings of document ids.

    Args:
        questions: in the order of the rankings.
        rankings: one per question.
        texts: document id -> passage; may know more than was found.
        mode: what counts as relevant.
        ks: cut-offs.

    Raises:
        DataError: a ranking belongs to another question, a passage is unknown, or answers are missing in this form.
    """
    found, wanted = [], []
    for question, ranking in zip(questions, rankings, strict=True):
        where = f"question {question.query.query_id!r}"
        if ranking.query_id != question.query.query_id:
            problem = f"met the ranking of {ranking.query_id!r}"
            raise DataError(message(where, problem, "give questions and rankings in one order"))
        unknown = next((hit.doc_id for hit in ranking.hits if hit.doc_id not in texts), None)
        if unknown is not None:
            raise DataError(message(where, f"no text for passage {unknown!r}", "give the texts of the whole corpus"))
        found.append([texts[hit.doc_id] for hit in ranking.hits])
        wanted.append(answers_of(question, mode.answers))
    return per_question(found, wanted, mode=mode, ks=ks)


def answers_of(question: Question, form: AnswerForm) -> tuple[str, ...]:
    """The answers of a question in one form.

    Raises:
        DataError: the data set has none in this form.
    """
    answers = question.answers if form is AnswerForm.RAW else question.stemmed
    if not any(answer.strip() for answer in answers):
        fix = "drop the question, or choose the other form of the answers"
        raise DataError(message(f"question {question.query.query_id!r}", f"has no {form.value} answer", fix))
    return tuple(answers)


def _words(answers: Collection[str]) -> re.Pattern[str]:
    """Any of the answers with no word character on either side; for answers of whole words, the word boundary."""
    longest_first = sorted((answer.strip() for answer in answers), key=len, reverse=True)
    return re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, longest_first))})(?!\w)")
