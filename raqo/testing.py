"""Test doubles and conformance checks, for our tests and for those of anybody who writes a retriever or a rewriter."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from raqo.errors import DataError, message
from raqo.protocols import ChatRequest, ChatResult, FloatArray, Retriever, Rewriter
from raqo.records import Document, Hit, Query, Ranking, RetrievalDataset

TOLERANCE = 1e-5

BLIND_SPOT: Mapping[str, str] = {
    "crimson": "red",
    "azure": "blue",
    "emerald": "green",
    "dinghy": "boat",
    "hound": "dog",
    "automobile": "car",
    "fir": "tree",
    "infant": "child",
}
"""Words of `toy_dataset` that `ToyRetriever` does not know, and the common words that it does."""


class ToyRetriever:
    """A `Retriever` over texts that scores cosine of word sets and has never heard of some words.

    Deterministic, without weights. Words in `unknown` count in the length of a query and match nothing, so a query with
    them ranks its target low until they are replaced: the situation that raqo is for.
    """

    def __init__(
        self, documents: Sequence[Document], *, unknown: Sequence[str] = tuple(BLIND_SPOT), max_words: int = 32
    ) -> None:
        ordered = sorted(documents, key=lambda document: document.doc_id)
        self._texts = {document.doc_id: document.text or "" for document in ordered}
        self._unknown = frozenset(unknown)
        self._max_words = max_words

    @property
    def fingerprint(self) -> str:
        """Hash of the texts and the settings."""
        content = repr((sorted(self._texts.items()), sorted(self._unknown), self._max_words))
        return "toy-" + hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()[:12]

    @property
    def size(self) -> int:
        """Number of documents."""
        return len(self._texts)

    def search(self, queries: Sequence[Query], *, k: int) -> list[Ranking]:
        """Rank the best k documents of each query, ties by document id."""
        rankings = []
        for query in queries:
            hits = [Hit(doc_id, self._score(query.text, text)) for doc_id, text in self._texts.items()]
            best = sorted(hits, key=lambda hit: (-hit.score, hit.doc_id))[: max(k, 0)]
            rankings.append(Ranking(query.query_id, tuple(best)))
        return rankings

    def similarity(self, queries: Sequence[Query], doc_ids: Sequence[str]) -> FloatArray:
        """Score query i with document i: shape (n,)."""
        for doc_id in doc_ids:
            if doc_id not in self._texts:
                raise DataError(
                    message(f"document {doc_id!r}", "not in the gallery", "ask for documents of the gallery")
                )
        pairs = zip(queries, doc_ids, strict=True)
        return np.array([self._score(query.text, self._texts[doc_id]) for query, doc_id in pairs], dtype=np.float32)

    def fits(self, texts: Sequence[str]) -> list[bool]:
        """Whether each text has at most `max_words` words."""
        return [len(text.split()) <= self._max_words for text in texts]

    def _score(self, query: str, text: str) -> float:
        asked, there = set(query.lower().split()), set(text.lower().split())
        known = asked - self._unknown
        score = len(known & there) / math.sqrt(len(asked) * len(there)) if asked and there else 0.0
        return float(np.float32(score))


class ScriptedChat:
    """A `Chat` that plays answers from a list, in order, or computes them; it records every request in `requests`.

    Args:
        answers: texts, whole results or exceptions to raise, one per completion; or a function of the messages.
        model: name that `model` gives.
        reads_images: what `reads_images` gives.
    """

    def __init__(
        self,
        answers: Sequence[str | ChatResult | Exception] | Callable[[Sequence[Mapping[str, Any]]], str | ChatResult],
        *,
        model: str = "scripted",
        reads_images: bool = True,
    ) -> None:
        self.requests: list[ChatRequest] = []
        self.reads_images = reads_images
        self._answers = answers if callable(answers) else iter(answers)
        self._model = model

    @property
    def model(self) -> str:
        """Name of the model, for provenance."""
        return self._model

    async def complete(self, request: ChatRequest) -> list[ChatResult]:
        """Give the next n answers.

        Raises:
            AssertionError: the script is over.
        """
        self.requests.append(request)
        return [self._next(request.messages) for _ in range(request.n)]

    def _next(self, messages: Sequence[Mapping[str, Any]]) -> ChatResult:
        if callable(self._answers):
            answer: str | ChatResult | Exception | None = self._answers(messages)
        else:
            answer = next(self._answers, None)
        if answer is None:
            raise AssertionError(f"ScriptedChat: no answer left for call {len(self.requests)}; give a longer script.")
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, ChatResult):
            return answer
        prompt = sum(len(str(part.get("content", "")).split()) for part in messages)
        return ChatResult(answer, "stop", prompt, len(answer.split()))


def toy_dataset() -> RetrievalDataset:
    """Eighty short texts, and a query for each coloured thing: half in common words, half with `BLIND_SPOT` words."""
    things, colours = ("boat", "dog", "car", "tree"), ("red", "blue", "green", "white")
    places = ("by the sea", "in the snow", "on a hill", "at night", "near a child")
    rare = {common: word for word, common in BLIND_SPOT.items()}
    documents, queries, targets, reference = [], [], {}, {}
    for thing in things:
        for colour in colours:
            for number, place in enumerate(places):
                documents.append(Document(f"{thing}-{colour}-{number}", text=f"a {colour} {thing} {place}"))
            query_id, common = f"q-{thing}-{colour}", f"a {colour} {thing} {places[0]}"
            hard = common.replace(colour, rare.get(colour, colour)).replace(thing, rare[thing])
            queries.append(Query(query_id, common if colour in ("red", "white") else hard))
            targets[query_id], reference[query_id] = (f"{thing}-{colour}-0",), common
    return RetrievalDataset("toy", "test", tuple(documents), tuple(queries), targets, reference)


def write_tiny_clip(folder: Path, *, seed: int = 0, tokenizer: Any = None) -> Path:
    """Write a random CLIP of 1.7 million weights that open_clip loads as ``local-dir:``; needs open_clip and torch.

    Args:
        folder: created where missing.
        seed: of the weights.
        tokenizer: a fast tokenizer of transformers, saved into the folder; by default open_clip's own is used.
    """
    import torch
    from open_clip.model import CLIP
    from safetensors.torch import save_file

    text = {"context_length": 24, "vocab_size": len(tokenizer) if tokenizer else 49408, "width": 32, "heads": 2}
    text["layers"] = 2
    vision = {"image_size": 32, "layers": 2, "width": 32, "patch_size": 16, "head_width": 16}
    folder.mkdir(parents=True, exist_ok=True)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = CLIP(embed_dim=24, vision_cfg=vision, text_cfg=text)
    save_file(model.state_dict(), folder / "open_clip_model.safetensors", metadata={"format": "pt"})
    if tokenizer:
        tokenizer.save_pretrained(folder)
    named = {"hf_tokenizer_name": "local"} if tokenizer else {}
    config = {"embed_dim": 24, "vision_cfg": vision, "text_cfg": {**text, **named}}
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": config, "preprocess_cfg": {}}))
    return folder


def check_retriever(retriever: Retriever, queries: Sequence[Query], *, k: int = 10) -> None:
    """Check what every `Retriever` promises.

    Args:
        retriever: the one to check; its gallery should be small, as whole rankings are asked for.
        queries: at least two, with distinct ids; include an empty text where the retriever searches texts.
        k: depth of the ranking that is looked at closely.

    Raises:
        AssertionError: naming the promise that is broken.
    """
    assert len(queries) >= 2, "check_retriever: give at least two queries"
    _check_search(retriever, queries, k)
    _check_batching(retriever, queries, k)
    _check_similarity(retriever, queries, k)
    fits = retriever.fits(["", "a", "word " * 10_000])
    assert len(fits) == 3, f"fits: {len(fits)} answers for 3 texts"
    assert all(type(value) is bool for value in fits), f"fits: expected plain bool, got {fits}"
    assert fits[1], "fits: a text of one letter must fit"
    assert retriever.fits([]) == [], "fits: an empty list must give an empty list"


def _check_search(retriever: Retriever, queries: Sequence[Query], k: int) -> None:
    fingerprint = retriever.fingerprint
    assert fingerprint, "fingerprint: must not be empty"
    assert retriever.size > 0, f"size: expected at least 1, got {retriever.size}"
    assert retriever.search([], k=k) == [], "search: an empty batch must give an empty list"
    for depth in (1, k, retriever.size, retriever.size + 7):
        rankings = retriever.search(queries, k=depth)
        got, expected = [ranking.query_id for ranking in rankings], [query.query_id for query in queries]
        assert got == expected, f"search: rankings must keep the order of the queries, got {got} for {expected}"
        for ranking in rankings:
            _check_hits(ranking, min(depth, retriever.size))
    first, again = retriever.search(queries, k=k), retriever.search(queries, k=k)
    _check_alike(first, again, "search, query {!r}: the same call twice must agree; the two")
    assert retriever.fingerprint == fingerprint, "fingerprint: must not change by searching"


def _check_hits(ranking: Ranking, limit: int) -> None:
    where = f"search, query {ranking.query_id!r}"
    assert len(ranking.hits) <= limit, f"{where}: {len(ranking.hits)} hits for a limit of {limit}"
    ids = [hit.doc_id for hit in ranking.hits]
    assert len(set(ids)) == len(ids), f"{where}: a document occurs twice"
    for hit in ranking.hits:
        assert type(hit.score) is float, f"{where}: scores must be float, got {type(hit.score).__name__}"
        assert math.isfinite(hit.score), f"{where}: the score of {hit.doc_id!r} is {hit.score}"
    for better, worse in pairwise(ranking.hits):
        assert better.score >= worse.score, f"{where}: scores must not rise, {better} before {worse}"
        in_order = better.score > worse.score or better.doc_id < worse.doc_id
        assert in_order, f"{where}: equal scores must be ordered by document id, {better} before {worse}"


def _check_batching(retriever: Retriever, queries: Sequence[Query], k: int) -> None:
    together = retriever.search(queries, k=k)
    alone = [retriever.search([query], k=k)[0] for query in queries]
    reverse = retriever.search(queries[::-1], k=k)[::-1]
    for name, other in (("one by one", alone), ("in reverse order", reverse)):
        _check_alike(together, other, f"search, query {{!r}}: in a batch and {name}")


def _check_alike(one: Sequence[Ranking], other: Sequence[Ranking], where: str) -> None:
    """Check depth and scores place by place; documents that nearly tie may change places."""
    for first, second in zip(one, other, strict=True):
        said = where.format(first.query_id)
        assert len(first.hits) == len(second.hits), f"{said} give {len(first.hits)} and {len(second.hits)} hits"
        for left, right in zip(first.hits, second.hits, strict=True):
            close = math.isclose(left.score, right.score, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
            assert close, f"{said} differ: {left} and {right}"


def _check_similarity(retriever: Retriever, queries: Sequence[Query], k: int) -> None:
    assert retriever.similarity([], []).shape == (0,), "similarity: an empty batch must give shape (0,)"
    found = [
        (query, hit) for query, one in zip(queries, retriever.search(queries, k=k), strict=True) for hit in one.hits
    ]
    scores = retriever.similarity([query for query, _ in found], [hit.doc_id for _, hit in found])
    assert scores.shape == (len(found),), f"similarity: expected shape ({len(found)},), got {scores.shape}"
    assert scores.dtype == np.float32, f"similarity: expected float32, got {scores.dtype}"
    for (query, hit), score in zip(found, scores.tolist(), strict=True):
        close = math.isclose(hit.score, score, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
        assert close, f"similarity: {query.query_id!r} and {hit.doc_id!r} score {score}, search said {hit.score}"


def check_rewriter(
    rewriter: Rewriter, texts: Sequence[str] = ("a red boat by the sea", "a crimson dinghy", "")
) -> None:
    """Check what every `Rewriter` promises.

    Raises:
        AssertionError: naming the promise that is broken.
    """
    fingerprint = rewriter.fingerprint
    assert fingerprint, "fingerprint: must not be empty"
    assert rewriter.detect([]) == [], "detect: an empty batch must give an empty list"
    assert rewriter.rewrite([], []) == [], "rewrite: an empty batch must give an empty list"
    concepts = rewriter.detect(texts)
    assert len(concepts) == len(texts), f"detect: {len(concepts)} answers for {len(texts)} texts"
    for text, found in zip(texts, concepts, strict=True):
        assert found is None or isinstance(found, tuple), f"detect, {text!r}: expected a tuple or None, got {found!r}"
        assert all(concept.strip() for concept in found or ()), f"detect, {text!r}: an empty concept in {found}"
    assert rewriter.detect(texts) == concepts, "detect: the same call twice must agree"
    known = [found or () for found in concepts]
    for n in (1, 3):
        rewrites = rewriter.rewrite(texts, known, n=n)
        assert len(rewrites) == len(texts), f"rewrite: {len(rewrites)} answers for {len(texts)} texts"
        for text, one in zip(texts, rewrites, strict=True):
            assert len(one) <= n, f"rewrite, {text!r}: {len(one)} rewrites for n={n}"
            assert all(isinstance(rewrite, str) for rewrite in one), f"rewrite, {text!r}: expected texts, got {one}"
            assert all("\n" not in rewrite for rewrite in one), f"rewrite, {text!r}: a rewrite has a line break"
        assert rewriter.rewrite(texts, known, n=n) == rewrites, "rewrite: the same call twice must agree"
    assert rewriter.fingerprint == fingerprint, "fingerprint: must not change by rewriting"
