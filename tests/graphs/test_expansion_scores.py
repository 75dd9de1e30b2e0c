import pytest
from expansion_toy import PASSAGES, bm25

from raqo.graphs.expansion_scores import Agreement, Coverage
from raqo.protocols import TextEncoder
from raqo.records import Hit, Query, Ranking
from raqo.retrievers.weighted_query import WeightedQuery


class LetterEncoder:
    """A text is its share of the letters a and b. Counts the texts it is given."""

    fingerprint = "letters"

    def __init__(self):
        self.encoded = []

    def encode_texts(self, texts):
        import numpy as np

        self.encoded += texts
        rows = np.array([[text.count("a"), text.count("b")] for text in texts], dtype=np.float32)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_agreement_is_the_mean_cosine_with_the_first_passages():
    texts = {"1": "aaa", "2": "bbb", "3": "ab"}
    encoder = LetterEncoder()
    assert isinstance(encoder, TextEncoder)
    agreement = Agreement(encoder, texts, depth=2)
    query = WeightedQuery("q", "a")

    def ranking(*doc_ids):
        return Ranking("q", tuple(Hit(doc_id, 1.0) for doc_id in doc_ids))

    rankings = [ranking("1", "2", "3"), ranking("3", "1"), ranking("1"), ranking()]
    found = agreement(["a"] * 4, [query] * 4, rankings)
    assert found == pytest.approx([0.5, (1 + 2**-0.5) / 2, 0.5, 0.0], abs=1e-6)
    assert agreement(["a"] * 4, [query] * 4, rankings) == found
    assert sorted(encoder.encoded) == ["a", "aaa", "ab", "bbb"], "every text once"


def test_coverage_says_how_much_of_a_query_stands_in_one_passage(tmp_path):
    retriever = bm25(tmp_path)
    coverage = Coverage(retriever, depth=1)

    def score(*terms):
        query = WeightedQuery("q", " ".join(terms), terms=tuple((term, 1.0) for term in terms))
        return coverage(["q"], [query], retriever.search([query], k=3))[0]

    together, apart = score("canine", "bones"), score("automobile", "bones")
    assert 0 < apart < together <= 1
    assert score("bones") == 1.0
    assert score("zebra") == 0.0
    assert score("bones", "zebra") == 1.0, "what no passage holds counts nothing"
    assert "marrow" in PASSAGES["canine-food"]


def test_a_deeper_look_wants_more_passages(tmp_path):
    retriever = bm25(tmp_path)
    query = WeightedQuery("q", "bones", terms=(("bones", 1.0),))
    rankings = retriever.search([query], k=3)
    assert Coverage(retriever, depth=2)(["q"], [query], rankings) == [0.5]
    assert Query("q", "bones") != query
