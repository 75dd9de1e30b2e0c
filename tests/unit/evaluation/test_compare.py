"""A gallery of six coloured things, and a retriever that only knows the common colour words."""

import json
from dataclasses import replace

import numpy as np
import pytest

from raqo.errors import ConfigError, DataError
from raqo.evaluation.compare import System, compare, gap_recovered, row_from_json
from raqo.evaluation.deltas import QueryDelta, query_deltas, write_deltas
from raqo.evaluation.examples import Outcome, choose_examples, outcome_of
from raqo.evaluation.settings import EvaluationSettings
from raqo.evaluation.table import format_table
from raqo.evaluation.task import image_to_text, text_to_image
from raqo.records import Direction, Document, Hit, KeptReason, Query, Ranking, RetrievalDataset, RewriteResult

COLOURS = ("red", "blue", "green", "pink", "grey", "brown")
RARE = ("crimson", "azure", "viridian", "fuchsia", "slate", "umber")
SETTINGS = EvaluationSettings(depth=6, ks=(1, 2), permutations=1000)


class WordRetriever:
    """Scores a document by the words that it shares with the query; an image is its file name. Counts its searches."""

    fingerprint = "words"

    def __init__(self, documents):
        self.documents, self.searches = tuple(documents), 0
        self.size = len(self.documents)

    def search(self, queries, *, k):
        self.searches += 1
        return [self._rank(query, k) for query in queries]

    def _rank(self, query, k):
        words = set((query.image or query.text).split())
        scored = [Hit(d.doc_id, float(len(words & set((d.text or d.image).split())))) for d in self.documents]
        return Ranking(query.query_id, tuple(sorted(scored, key=lambda hit: (-hit.score, hit.doc_id))[:k]))


@pytest.fixture
def dataset():
    documents = tuple(Document(f"img-{colour}", image=f"{colour} boat") for colour in COLOURS)
    queries = tuple(Query(f"q-{colour}", f"{rare} boat") for colour, rare in zip(COLOURS, RARE, strict=True))
    targets = {f"q-{colour}": (f"img-{colour}",) for colour in COLOURS}
    return RetrievalDataset("boats", "test", documents, queries, targets)


@pytest.fixture
def systems():
    oracle = {f"q-{colour}": f"{colour} boat" for colour in COLOURS}
    half = oracle | {f"q-{c}": f"{r} boat" for c, r in zip(COLOURS[:3], RARE[:3], strict=True)}
    return {"half": System(texts=half, seconds=3.0, cost=0.6), "oracle": System(texts=oracle)}


def test_text_to_image_rows(dataset, systems):
    retriever = WordRetriever(dataset.documents)
    comparison = compare(systems, text_to_image(dataset, retriever, depth=6), SETTINGS)
    raw, half, oracle = comparison.rows
    assert [row.name for row in comparison.rows] == ["raw", "half", "oracle"]
    assert (raw.metrics["recall@1"], half.metrics["recall@1"], oracle.metrics["recall@1"]) == (0.0, 0.5, 1.0)
    assert (half.helped, half.harmed, half.unchanged) == (3, 0, 3)
    assert (raw.gap_recovered, half.gap_recovered, oracle.gap_recovered) == (0.0, 0.5, 1.0)
    assert half.p_value == pytest.approx(0.25)  # three changes: 2 of 8 sign patterns
    assert (half.p_holm, oracle.p_holm, raw.p_value) == (pytest.approx(0.25), pytest.approx(0.0625), 1.0)
    assert (half.seconds_per_query, half.cost_per_query) == (pytest.approx(0.5), pytest.approx(0.1))
    assert retriever.searches == 3  # one batched search for each system


def test_image_to_text_rewrites_the_gallery(dataset, systems):
    task = image_to_text(dataset, WordRetriever, depth=6)
    raw, half, _ = compare(systems, task, SETTINGS).rows
    assert raw.direction is Direction.I2T
    assert (raw.metrics["recall@1"], half.metrics["recall@1"]) == (0.0, 0.5)
    assert (half.n, half.helped, half.harmed) == (6, 3, 0)


def test_an_image_with_several_captions_counts_once(dataset):
    queries = (*dataset.queries, Query("q-red-2", "red boat"))
    targets = {**dataset.targets, "q-red-2": ("img-red",)}
    both = RetrievalDataset("boats", "test", dataset.documents, queries, targets)
    comparison = compare({}, image_to_text(both, WordRetriever, depth=7), SETTINGS)
    (raw,) = comparison.rows
    assert raw.n == 6
    assert raw.metrics["recall@1"] == pytest.approx(1 / 6)
    assert raw.metrics["target_recall@1"] == pytest.approx(1 / 12)
    assert query_deltas(comparison, "raw")[0].raw_text == "crimson boat | red boat"


def test_rows_are_flat_json_with_the_promised_keys(dataset, systems):
    rows = compare(
        systems, text_to_image(dataset, WordRetriever(dataset.documents), depth=10), EvaluationSettings()
    ).rows
    promised = [
        "name",
        "direction",
        "split",
        "n",
        "recall@1",
        "recall@5",
        "recall@10",
        "mrr",
        "ndcg@10",
        "helped",
        "harmed",
        "p_value",
    ]
    for row in rows:
        flat = row.as_json()
        assert set(promised) <= set(flat)
        assert json.loads(json.dumps(flat)) == flat
        assert flat["direction"] == "t2i"


def result(query, text, kept, concepts=()):
    empty = Ranking(query.query_id, ())
    return RewriteResult(query, concepts, text, text, kept, empty, empty)


def test_deltas_and_examples_tell_every_outcome(dataset, systems, tmp_path):
    texts = {query.query_id: query.text for query in dataset.queries} | {"q-red": "red boat", "q-blue": "blue sea"}
    results = {query.query_id: result(query, query.text, KeptReason.NO_CONCEPT) for query in dataset.queries}
    results["q-red"] = result(dataset.queries[0], "red boat", KeptReason.NONE, ("crimson",))
    results["q-blue"] = result(dataset.queries[1], "blue sea", KeptReason.NONE, ("azure",))
    task = text_to_image(dataset, WordRetriever(dataset.documents), depth=2)
    comparison = compare({"served": System(texts=texts, results=results)}, task, SETTINGS)
    deltas = query_deltas(comparison, "served")
    assert (deltas[0].concepts, deltas[0].rank_before, deltas[0].rank_after) == (("crimson",), None, 1)
    write_deltas(tmp_path / "deltas.jsonl", deltas)
    lines = [json.loads(line) for line in (tmp_path / "deltas.jsonl").read_text().splitlines()]
    assert [line["query_id"] for line in lines] == [query.query_id for query in dataset.queries]
    assert lines[2]["kept"] == KeptReason.NO_CONCEPT.value
    groups = {group.outcome: group for group in choose_examples(comparison, "served", dataset, per_outcome=2)}
    assert {outcome: group.total for outcome, group in groups.items()} == {
        Outcome.HELPED: 2,
        Outcome.HARMED: 0,
        Outcome.NEUTRAL: 0,
        Outcome.KEPT: 4,
    }
    assert len(groups[Outcome.KEPT].examples) == 2
    helped = groups[Outcome.HELPED].examples[0]
    assert helped.after[0] == helped.targets[0]
    assert choose_examples(comparison, "served", dataset, seed=1) == choose_examples(
        comparison, "served", dataset, seed=1
    )


def test_harm_is_counted(dataset, systems):
    good = RetrievalDataset(
        "boats", "test", dataset.documents, tuple(Query(f"q-{c}", f"{c} boat") for c in COLOURS), dataset.targets
    )
    worse = System(texts={f"q-{c}": "red boat" for c in COLOURS})
    task = text_to_image(good, WordRetriever(dataset.documents), depth=6)
    comparison = compare({"worse": worse, "oracle": System(texts=task.texts)}, task, SETTINGS)
    row = comparison.rows[1]
    assert (row.helped, row.harmed, row.gap_recovered) == (0, 5, None)  # the oracle is not above raw: no gap
    groups = choose_examples(comparison, "worse", good)
    assert {group.outcome: group.total for group in groups}[Outcome.HARMED] == 5


def test_what_is_lost_further_down_is_counted_beside_the_hits_at_rank_1(dataset):
    """A query whose target leaves the last cut-off without ever having been first is harmed, and `harmed` is 0."""
    good = RetrievalDataset(
        "boats", "test", dataset.documents, tuple(Query(f"q-{c}", "boat") for c in COLOURS), dataset.targets
    )  # all documents tie: ranks are pessimistic
    texts = {f"q-{c}": "red boat" if c == "red" else "boat" for c in COLOURS}
    worse = System(texts={**texts, "q-blue": "red boat"})
    settings = EvaluationSettings(depth=6, ks=(1, 6), permutations=1000)
    (raw, row) = compare(
        {"worse": worse}, text_to_image(good, ShortRetriever(dataset.documents), depth=6), settings
    ).rows
    assert (raw.lost, row.harmed, row.helped, row.lost) == (0, 0, 1, 1)
    assert row.as_json()["lost@6"] == 1
    assert "lost@6" in format_table([raw, row])
    assert (row.first_cutoff, row.last_cutoff) == (1, 6)


class ShortRetriever(WordRetriever):
    """Gives only the best hits where a colour is named."""

    def _rank(self, query, k):
        found = super()._rank(query, k)
        best = max(hit.score for hit in found.hits)
        return Ranking(found.query_id, tuple(hit for hit in found.hits if hit.score == best))


def test_rows_are_read_back_as_they_were(dataset, systems):
    rows = compare(systems, text_to_image(dataset, WordRetriever(dataset.documents), depth=6), SETTINGS).rows
    assert tuple(row_from_json(json.loads(json.dumps(row.as_json()))) for row in rows) == rows


def test_outcomes_count_the_cut_off_that_the_table_counts():
    delta = QueryDelta("q", "a", "b", (), 7, 3, "")
    assert outcome_of(delta, 1) is Outcome.NEUTRAL
    assert outcome_of(delta, 5) is Outcome.HELPED
    assert outcome_of(replace(delta, rank_before=3, rank_after=None), 5) is Outcome.HARMED


def test_table_is_aligned(dataset, systems):
    rows = compare(systems, text_to_image(dataset, WordRetriever(dataset.documents), depth=6), SETTINGS).rows
    title, *lines = format_table(rows).splitlines()
    assert title == "test · t2i · 6 queries · per cent"
    assert len({len(line) for line in lines}) == 1
    assert lines[3].split()[:3] == ["half", "50.0", "50.0"]


def test_errors(dataset):
    task = text_to_image(dataset, WordRetriever(dataset.documents), depth=6)
    with pytest.raises(DataError, match="no wording for 6 of 6"):
        compare({"empty": System(texts={})}, task, SETTINGS)
    with pytest.raises(ConfigError, match=r"evaluation\.ks"):
        EvaluationSettings(ks=(1, 500))
    texts = RetrievalDataset("beir", "test", (Document("d", text="x"),), (Query("q", "x"),), {"q": ("d",)})
    with pytest.raises(DataError, match="t2i only"):
        image_to_text(texts, WordRetriever, depth=5)
    with pytest.raises(DataError, match="expected direction t2i"):
        choose_examples(compare({}, image_to_text(dataset, WordRetriever, depth=6), SETTINGS), "raw", dataset)
    assert gap_recovered(0.9, 0.5, 1.0) == pytest.approx(0.8)
    assert np.isfinite(gap_recovered(0.4, 0.5, 1.0))
