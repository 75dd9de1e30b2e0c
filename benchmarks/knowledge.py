"""The offline expansion loop on real text collections that lie on disk: `python benchmarks/knowledge.py --data FOLDER`.

FOLDER holds ``cranfield`` (cran.all.1400, cran.qry, cranqrel) and ``okvqa_train`` (okvqa_train.json,
reform_train_1643.json, detections_train.json, dbpedia_corpus.jsonl). Settings are the defaults; Cranfield is also
searched as Lucene would (`LUCENE`). How detections are read was chosen on the first `TUNED_ON` of the OK-VQA questions
that have a human reformulation, so all others are reported by themselves; nothing was chosen on Cranfield.
"""

from __future__ import annotations

import argparse
import json
import re
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from raqo.agents.caption_resolver import CaptionResolver
from raqo.agents.corpus_words import count_words
from raqo.agents.feedback_expander import FeedbackExpander
from raqo.evaluation.pseudo_relevance import PseudoRelevance, score_rankings
from raqo.evaluation.significance import changes, paired_p_value
from raqo.graphs.expansion import expand_queries
from raqo.graphs.expansion_scores import Agreement
from raqo.graphs.expansion_settings import ExpansionSettings
from raqo.records import Document, Query, Question, Ranking
from raqo.retrievers.bm25.retriever import Bm25Retriever
from raqo.retrievers.dense.sentence_encoder import SentenceEncoder
from raqo.retrievers.settings import RetrieverSettings

ENCODER = "all-MiniLM-L6-v2"
TUNED_ON = 700
LUCENE = RetrieverSettings(kind="bm25", k1=1.2, b=0.75, stemmer="english")
"""Lucene's own k1 and b, with its English stemmer."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--only", choices=("cranfield", "okvqa"))
    parser.add_argument("--limit", type=int, help="only the first questions")
    arguments = parser.parse_args()
    encoder = SentenceEncoder(ENCODER)
    if arguments.only != "okvqa":
        cranfield(arguments.data / "cranfield", encoder, arguments.limit)
    if arguments.only != "cranfield":
        okvqa(arguments.data / "okvqa_train", encoder, arguments.limit)


def cranfield(folder: Path, encoder: SentenceEncoder, limit: int | None) -> None:
    documents = [Document(number, text) for number, text in _records(folder / "cran.all.1400") if text]
    asked = [text for _, text in _records(folder / "cran.qry")][:limit]
    # grade 1 is the best and 4 the least; one document a query has -1, which the file for trec_eval grades best of all
    graded = _judgements(folder / "cranqrel", lambda grade: 5.0 if grade == -1 else 5.0 - grade)
    strict = _judgements(folder / "cranqrel", lambda grade: float(grade > 0))
    queries = [Query(str(number), text) for number, text in enumerate(asked, start=1)]
    for name, settings in (("default", RetrieverSettings(kind="bm25")), ("as Lucene", LUCENE)):
        retriever, texts = _index(documents, settings)
        before = retriever.search(queries, k=10)
        after, seconds = _loop(queries, [""] * len(queries), retriever, texts, encoder)
        for grades, form in (("1 to 4 alike, -1 not relevant", strict), ("as for trec_eval", graded)):
            raw, new = (np.array([_ndcg(one, form[one.query_id]) for one in found]) for found in (before, after))
            counted, p = changes(raw, new), paired_p_value(raw, new)
            print(
                f"cranfield nDCG@10, {name}, grades {grades}: bm25 {raw.mean():.4f}, loop {new.mean():.4f}; "
                f"helped {counted.helped}, harmed {counted.harmed}, p {p:.4f}; {len(queries)} queries, {seconds:.0f} s",
                flush=True,
            )


def okvqa(folder: Path, encoder: SentenceEncoder, limit: int | None) -> None:
    lines = (folder / "dbpedia_corpus.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    retriever, texts = _index(
        [Document(row["_id"], f"{row['title']} {row['text']}") for row in rows], RetrieverSettings(kind="bm25")
    )
    seen = json.loads((folder / "detections_train.json").read_text())
    reformed = json.loads((folder / "reform_train_1643.json").read_text())
    human = {row["question_id"]: row["question"].replace(row["label_hyper"], row["label_hypo"]) for row in reformed}
    asked = [row for row in json.loads((folder / "okvqa_train.json").read_text()) if row["label"]]
    order = {number: place for place, number in enumerate(human)}
    asked.sort(key=lambda row: order.get(str(row["question_id"]), len(order)))  # the reformulated ones first
    questions = [Question(Query(str(row["question_id"]), row["sent"]), row["label"]) for row in asked[:limit]]
    found = [", ".join(seen[one.query.query_id]["detections"]) for one in questions]
    wordings = {
        "question": [one.query.text for one in questions],
        "question + all detections": [f"{one.query.text} {names}" for one, names in zip(questions, found, strict=True)],
        "human reformulation": [human.get(one.query.query_id, one.query.text) for one in questions],
    }
    rankings = {
        name: retriever.search(
            [Query(one.query.query_id, text) for one, text in zip(questions, own, strict=True)], k=10
        )
        for name, own in wordings.items()
    }
    rankings["loop"], seconds = _loop([one.query for one in questions], found, retriever, texts, encoder)
    mode = PseudoRelevance()
    measured = {name: score_rankings(questions, own, texts, mode=mode, ks=(5,)) for name, own in rankings.items()}
    print(f"okvqa: {len(questions)} questions, loop {seconds:.0f} s")
    people = sum(one.query.query_id in human for one in questions)
    parts = {
        "tuned on": slice(TUNED_ON),
        "held out": slice(TUNED_ON, None),
        "held out, with a human reformulation": slice(TUNED_ON, people),
    }
    for label, part in parts.items():
        hits = {name: values[f"r@5[{mode.label}]"][part] for name, values in measured.items()}
        for name, values in measured.items():
            if name == "human reformulation" and label == "held out":
                continue
            means = ", ".join(f"{key} {column[part].mean():.4f}" for key, column in values.items())
            counted, p = changes(hits[name], hits["loop"]), paired_p_value(hits[name], hits["loop"])
            against = f"; loop against it: helped {counted.helped}, harmed {counted.harmed}, p {p:.4g}"
            print(f"okvqa {label}, {hits[name].size} questions, {name}: {means}{against}", flush=True)


def _index(documents: list[Document], settings: RetrieverSettings) -> tuple[Bm25Retriever, dict[str, str]]:
    with tempfile.TemporaryDirectory() as folder:
        retriever = Bm25Retriever.build(settings, documents, index_dir=Path(folder))
    return retriever, {document.doc_id: document.text or "" for document in documents}


def _loop(
    queries: list[Query],
    captions: list[str],
    retriever: Bm25Retriever,
    texts: dict[str, str],
    encoder: SentenceEncoder,
) -> tuple[list[Ranking], float]:
    settings = ExpansionSettings()
    started = time.monotonic()
    results = expand_queries(
        queries,
        captions,
        retriever=retriever,
        texts=texts,
        resolver=CaptionResolver(encoder),
        expander=FeedbackExpander(count_words(texts.values()), encoder),
        feedback=Agreement(encoder, texts, depth=settings.score_depth),
        settings=settings,
    )
    expanded = sum(bool(result.expansion) for result in results)
    print(f"{expanded} of {len(results)} expanded, {sum(bool(r.resolution.implicit) for r in results)} resolved")
    return [result.ranking for result in results], time.monotonic() - started


def _judgements(path: Path, gain: Callable[[int], float]) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for line in path.read_text().splitlines():
        query, document, grade = line.split()[:3]
        found.setdefault(query, {})[document] = gain(int(grade))
    return found


def _records(path: Path) -> list[tuple[str, str]]:
    """Number and text (title and body, field W) of each entry of a Cranfield file."""
    entries = re.split(r"^\.I ", path.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    return [(str(int(entry.split("\n", 1)[0])), _field(entry, "W")) for entry in entries]


def _field(entry: str, name: str) -> str:
    match = re.search(rf"^\.{name}\n(.*?)(?=^\.[A-Z]\n|\Z)", entry, flags=re.MULTILINE | re.DOTALL)
    return " ".join(match[1].split()) if match else ""


def _ndcg(ranking: Ranking, gains: dict[str, float]) -> float:
    discounts = 1 / np.log2(np.arange(2, 12))
    got = np.array([gains.get(hit.doc_id, 0.0) for hit in ranking.hits[:10]])
    ideal = np.array(sorted(gains.values(), reverse=True)[:10])
    return float((got * discounts[: got.size]).sum() / (ideal * discounts[: ideal.size]).sum())


if __name__ == "__main__":
    main()
