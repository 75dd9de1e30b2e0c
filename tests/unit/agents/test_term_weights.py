import pytest

from raqo.agents.term_weights import TermWeights, weigh
from raqo.errors import ConfigError
from raqo.protocols import Resolution
from raqo.records import Document, Query
from raqo.retrievers.bm25.retriever import Bm25Retriever
from raqo.retrievers.settings import RetrieverSettings

QUERY = Query("q", "What does this animal eat?", "deer.png")
RESOLUTION = Resolution("What does a deer eat?", (("deer", 0.5),), ("animal", "this"))


def test_words_weigh_by_where_they_come_from():
    weights = TermWeights(explicit=1.0, other=0.4, pointing=0.1, implicit=2.0, expansion=0.5)
    found = weigh(QUERY, RESOLUTION, "leaves bark", weights)
    assert dict(found.terms) == {
        "what": 0.4, "does": 0.4, "this": 0.1, "animal": 0.1, "eat": 1.0, "deer": 1.0, "leaves": 0.5, "bark": 0.5,
    }  # fmt: skip
    assert (found.query_id, found.image) == ("q", "deer.png")
    assert found.text == "What does a deer eat? leaves bark"


def test_long_expansions_weigh_no_more_than_short_ones():
    found = weigh(QUERY, RESOLUTION, "a1 b2 c3 d4 e5 f6 g7 h8", TermWeights(expansion=1.0, expansion_words=4))
    assert sum(weight for term, weight in found.terms if term[-1].isdigit()) == pytest.approx(4.0)


def test_words_of_weight_zero_are_left_out():
    found = weigh(QUERY, RESOLUTION, "", TermWeights(pointing=0.0, other=0.0))
    assert [term for term, _ in found.terms] == ["eat", "deer"]


def test_all_at_one_the_search_is_that_of_the_plain_text(tmp_path):
    documents = [Document(str(at), text) for at, text in enumerate(("deer eat bark", "an animal", "leaves"))]
    retriever = Bm25Retriever.build(RetrieverSettings(kind="bm25"), documents, index_dir=tmp_path)
    ones = TermWeights(explicit=1.0, other=1.0, pointing=1.0, implicit=2.0, expansion=1.0)
    weighted = weigh(QUERY, RESOLUTION, "leaves", ones)
    (found,), (plain,) = (retriever.search([one], k=3) for one in (weighted, Query("q", f"{QUERY.text} deer leaves")))
    assert found == plain


@pytest.mark.parametrize("wrong", [{"explicit": -1.0}, {"implicit": float("nan")}, {"expansion_words": 0}])
def test_senseless_weights_are_refused(wrong):
    with pytest.raises(ConfigError, match="weights"):
        TermWeights(**wrong)
