"""What a user reads of a rewrite: the steps as they end, and what each hit shows."""

from __future__ import annotations

import dataclasses

import pytest

from raqo.graphs.rewriting import Step
from raqo.records import Document, Hit, KeptReason, Query, Ranking, RewriteResult
from raqo.workflows.show import hit_lines, result_json, result_text, step_line

PICTURES = {name: Document(name, image=f"photos/{name}.png") for name in ("sea", "boat", "tree")}
BEFORE = Ranking("query", (Hit("sea", 0.5), Hit("boat", 0.25)))
AFTER = Ranking("query", (Hit("boat", 0.75), Hit("tree", 0.5)))
RESULT = RewriteResult(
    query=Query("query", "a crimson dinghy"),
    concepts=("crimson", "dinghy"),
    rewrite="a red boat",
    final_text="a red boat",
    kept=KeptReason.NONE,
    before=BEFORE,
    after=AFTER,
)


def shown(ranking: Ranking) -> list[Document]:
    return [PICTURES[hit.doc_id] for hit in ranking.hits]


def test_each_hit_says_what_it_shows_and_where_it_was_before() -> None:
    lines = result_text(RESULT, shown(BEFORE), shown(AFTER)).splitlines()
    assert lines[:3] == [
        "query     a crimson dinghy",
        "concepts  crimson, dinghy",
        "rewrite   a red boat",
    ]
    before, after = lines.index("before"), lines.index("after")
    assert [line.split() for line in lines[before + 1 : before + 3]] == [
        ["1", "0.5000", "sea", "photos/sea.png"],
        ["2", "0.2500", "boat", "photos/boat.png"],
    ]
    assert [line.split() for line in lines[after + 1 :]] == [
        ["1", "0.7500", "was", "2", "boat", "photos/boat.png"],
        ["2", "0.5000", "new", "tree", "photos/tree.png"],
    ]
    assert len({line.index("photos/") for line in lines[after + 1 :]}) == 1


def test_a_kept_query_says_why_and_its_hits_are_the_same() -> None:
    kept = dataclasses.replace(RESULT, final_text=RESULT.query.text, kept=KeptReason.GROWN, after=BEFORE)
    text = result_text(kept, shown(BEFORE), shown(BEFORE))
    assert f"(original kept: {KeptReason.GROWN.value})" in text
    assert text.count("same") == 2


def test_passages_are_shown_on_one_line_and_cut() -> None:
    passage = Document("p1", text="Deer\tlive\n" + "in the forest " * 20 + "\x1b[31m")
    (line,) = hit_lines(Ranking("query", (Hit("p1", 7.5),)), [passage])
    assert line.startswith("  1  7.5000  p1  Deer live in the forest")
    assert line.endswith("…")
    assert "\x1b" not in line
    assert len(line) < 130


def test_json_has_the_whole_text() -> None:
    whole = "word " * 100
    result = dataclasses.replace(RESULT, after=Ranking("query", (Hit("p1", 1.0),)))
    values = result_json(result, shown(BEFORE), [Document("p1", text=whole)])
    assert values["after"] == [{"rank": 1, "doc_id": "p1", "score": 1.0, "shows": whole}]
    assert values["before"][0]["shows"] == "photos/sea.png"


def test_nothing_found_is_said() -> None:
    nothing = Ranking("query", ())
    empty = dataclasses.replace(RESULT, before=nothing, after=nothing)
    assert result_text(empty, [], []).count("nothing found") == 2


@pytest.mark.parametrize(
    ("step", "said"),
    [
        (Step("gate", {"before": [["sea", 0.5]], "kept": ""}), "gate:     not confident; first hit sea 0.5000"),
        (Step("gate", {"before": [["sea", 0.5]], "kept": KeptReason.CONFIDENT.value}), KeptReason.CONFIDENT.value),
        (Step("detect", {"concepts": ["crimson", "dinghy"], "kept": ""}), "detect:   crimson, dinghy"),
        (Step("detect", {"concepts": [], "kept": KeptReason.NO_CONCEPT.value}), KeptReason.NO_CONCEPT.value),
        (Step("rewrite", {"rewrites": "a red\nboat"}), "rewrite:  a red boat"),
        (Step("verify", {"kept": ""}), "verify:   may be searched"),
        (Step("verify", {"kept": KeptReason.GROWN.value}), KeptReason.GROWN.value),
        (Step("retrieve", {"after": []}), "retrieve: nothing found"),
        (Step("confirm", {"kept": KeptReason.NONE.value}), "confirm:  rewritten"),
    ],
)
def test_a_step_is_one_short_line(step: Step, said: str) -> None:
    line = step_line(step)
    assert said in line
    assert "\n" not in line
