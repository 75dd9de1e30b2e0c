"""The estimate of a run looks at real retrieval and real prompts, pays nothing, and bounds what the run takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pytest

from raqo import config_loader
from raqo.config import RunConfig
from raqo.protocols import FloatArray, Retriever
from raqo.records import Document, OnError, RetrievalDataset
from raqo.testing import ToyRetriever, toy_dataset
from raqo.workflows.estimate import Range, as_table, estimate
from raqo.workflows.mine import run_mining
from raqo.workflows.parts import Parts
from raqo.workflows.run_folder import open_run

TOY = toy_dataset()


class Alike:
    """A sentence encoder for which all texts mean the same."""

    fingerprint = "alike"

    def encode_texts(self, texts: Sequence[str]) -> FloatArray:
        return np.ones((len(texts), 1), dtype=np.float32)


class ToyParts(Parts):
    """The toy's parts, whatever the configuration names."""

    data: RetrievalDataset = TOY

    def dataset(self, name: str) -> RetrievalDataset:
        return self.data

    def gallery(self, documents: Sequence[Document], *, on_error: OnError = "fail") -> Retriever:
        return ToyRetriever(TOY.documents)

    @cached_property
    def text_encoder(self) -> Alike:  # type: ignore[override]
        return Alike()

    @property
    def encoder_fingerprint(self) -> str:
        return "toy"


def parts(tmp_path: Path, *overrides: str) -> ToyParts:
    values = {"data": {"train": {"path": "toy"}}, "cache_dir": str(tmp_path / "cache"), "wordnet": None}
    return ToyParts(config_loader.load(RunConfig, values, overrides))


CHAT = ("reviewer=chat", "chat={preset: vllm, model: m, base_url: 'http://127.0.0.1:9/v1', image_tokens: 1000}")
PRICE = "chat.prices={m: {prompt: 2, completion: 8}}"


def verdicts(tmp_path: Path) -> dict[str, int]:
    mined = run_mining(
        parts(tmp_path, "mining.max_rounds=0", "mining.perturb_share=0"),
        open_run(tmp_path / "verdicts", "fail"),
    )
    return dict(mined["verdicts"])


def test_shares_are_those_of_mining_and_nothing_is_written(tmp_path: Path) -> None:
    found = estimate(parts(tmp_path, *CHAT), tmp_path / "run")
    assert not (tmp_path / "run").exists()
    assert not (tmp_path / "cache").exists()
    expected = verdicts(tmp_path)
    assert found.queries == found.sampled == len(TOY.queries)
    counted = {name: round(share * found.sampled) for name, share in found.shares.items()}
    assert {name: count for name, count in counted.items() if count} == expected
    assert expected["ambiguous"] >= 5


def test_chat_calls_follow_rounds_and_shares(tmp_path: Path) -> None:
    counts = verdicts(tmp_path)
    ambiguous, unambiguous = counts["ambiguous"], counts["unambiguous"]
    settings = ("mining.max_rounds=4", "mining.max_accepted=3", "mining.samples_per_round=2", "review.max_tokens=100")
    found = estimate(parts(tmp_path, *CHAT, *settings, "mining.perturb_share=0.5"), tmp_path / "run").taken
    assert found["reviews"].expected == pytest.approx(ambiguous * 3)  # two rounds are needed, four are allowed
    assert found["reviews"].at_most == pytest.approx(ambiguous * 8)  # each asked for twice
    assert found["perturbations"] == Range(pytest.approx(unambiguous / 2), pytest.approx(unambiguous))
    answers = found["reviews"].at_most + found["perturbations"].at_most
    assert found["completion tokens"].at_most == pytest.approx(answers * 100)
    assert "money" not in found


def test_images_and_prices_count(tmp_path: Path) -> None:
    from PIL import Image

    Image.new("RGB", (40, 40), "red").save(tmp_path / "red.png")
    shown = tuple(replace(document, text=None, image=str(tmp_path / "red.png")) for document in TOY.documents)
    texts, images = parts(tmp_path, *CHAT, PRICE), parts(tmp_path, *CHAT, PRICE, "review.shown=3")
    images.data = replace(TOY, documents=shown)
    plain, seen = (estimate(made, tmp_path / "run").taken for made in (texts, images))
    more = seen["prompt tokens"].expected - plain["prompt tokens"].expected
    assert more == pytest.approx(seen["reviews"].expected * 4 * 1000, rel=0.05)  # the target and three others
    for name in ("expected", "at_most"):
        tokens = [getattr(seen[kind], name) for kind in ("prompt tokens", "completion tokens")]
        assert getattr(seen["money"], name) == pytest.approx((tokens[0] * 2 + tokens[1] * 8) / 1e6)


def test_what_is_mined_already_is_left_out(tmp_path: Path) -> None:
    made = parts(tmp_path)
    run_mining(made, open_run(tmp_path / "run", "fail"))
    found = estimate(made, tmp_path / "run")
    assert (found.queries, found.sampled) == (0, 0)
    assert all(amount == Range(0, 0) for amount in found.taken.values())


def test_the_bounds_of_a_lexical_run_hold(tmp_path: Path) -> None:
    made = parts(tmp_path)
    found = estimate(made, tmp_path / "run").taken["retriever queries, mining"]
    mined = run_mining(made, open_run(tmp_path / "run", "fail"))
    assert 2 * len(TOY.queries) <= mined["cost"]["retriever_queries"] <= found.at_most
    assert found.expected <= found.at_most


def test_the_table_names_every_amount(tmp_path: Path) -> None:
    text = as_table(estimate(parts(tmp_path, *CHAT, PRICE), tmp_path / "run"))
    for name in ("reviews", "perturbations", "prompt tokens", "completion tokens", "money", "expected", "at most"):
        assert name in text
    assert "16 queries to mine; of 16 sampled" in text
