from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from raqo.agents.prompts import render_detect, render_rewrite
from raqo.agents.rewriter import LocalRewriter, RewriterSettings, weights_hash
from raqo.errors import ConfigError, DataError
from raqo.testing import check_rewriter

TAUGHT = {
    render_detect("a dinghy here"): " dinghy",
    render_detect("a dinghy and a spruce"): " dinghy, spruce",
    render_detect("a boat here"): " None",
    render_rewrite("a dinghy here", ["dinghy"]): " a boat here",
    render_rewrite("a dinghy and a spruce", ["dinghy", "spruce"]): " a boat and a tree",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Llama that knows the answers above by heart, taught with a plain loop."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=340,
        special_tokens=["<pad>", "<end>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([prompt + answer for prompt, answer in TAUGHT.items()], trainer)
    fast: Any = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<end>")
    torch.manual_seed(0)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(fast),
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=2,
            max_position_embeddings=128,
            pad_token_id=0,
            eos_token_id=1,
            bos_token_id=None,
        )
    )
    ids = [fast(prompt + answer)["input_ids"] + [1] for prompt, answer in TAUGHT.items()]
    width = max(map(len, ids))
    batch = torch.tensor([row + [0] * (width - len(row)) for row in ids])
    optimiser = torch.optim.AdamW(model.parameters(), lr=5e-3)
    for _ in range(150):
        model(batch, labels=batch.masked_fill(batch == 0, -100), attention_mask=(batch != 0).long()).loss.backward()
        optimiser.step()
        optimiser.zero_grad()
    out = tmp_path_factory.mktemp("rewriter")
    model.save_pretrained(out)
    fast.save_pretrained(out)
    return out


@pytest.fixture(scope="module")
def rewriter(folder: Path) -> LocalRewriter:
    return LocalRewriter(folder, settings=RewriterSettings(max_new_tokens=16))


def test_keeps_the_promises_of_a_rewriter(rewriter: LocalRewriter) -> None:
    check_rewriter(rewriter)


def test_detects_and_rewrites_what_it_was_taught(rewriter: LocalRewriter) -> None:
    texts = ["a dinghy here", "a boat here", "a dinghy and a spruce", "a dinghy here"]
    concepts = rewriter.detect(texts)
    assert concepts == [("dinghy",), (), ("dinghy", "spruce"), ("dinghy",)]
    rewrites = rewriter.rewrite(texts, concepts)
    assert [rewrites[0], rewrites[2], rewrites[3]] == [["a boat here"], ["a boat and a tree"], ["a boat here"]]


def test_batching_and_company_change_nothing(folder: Path, rewriter: LocalRewriter) -> None:
    texts = ["a dinghy here", "a boat", "a dinghy and a spruce", "some tree by a boat", "x"]
    one = LocalRewriter(folder, settings=RewriterSettings(max_new_tokens=16, batch_size=1))
    for n in (1, 2):
        together = rewriter.rewrite(texts, [("dinghy",)] * len(texts), n=n)
        assert together == one.rewrite(texts, [("dinghy",)] * len(texts), n=n)
        assert together[::-1] == rewriter.rewrite(texts[::-1], [("dinghy",)] * len(texts), n=n)


def test_several_rewrites_are_distinct_and_the_best_comes_first(rewriter: LocalRewriter) -> None:
    (found,) = rewriter.rewrite(["a dinghy here"], [("dinghy",)], n=3)
    assert found[0] == "a boat here"
    assert len(found) == len(set(found)) == 3


def test_equal_prompts_are_asked_once(rewriter: LocalRewriter, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    generate = rewriter._generate
    monkeypatch.setattr(rewriter, "_generate", lambda rows, n: asked.append(len(rows)) or generate(rows, n))
    assert rewriter.detect(["a dinghy here"] * 9) == [("dinghy",)] * 9
    assert asked == [1, 1]  # the naming prompt, and the one that names nothing


def test_a_query_too_long_to_be_read_gets_no_answer(rewriter: LocalRewriter) -> None:
    texts = ["boat " * 500, "a dinghy here"]
    assert rewriter.detect(texts) == [None, ("dinghy",)]
    assert rewriter.rewrite(texts, [("dinghy",)] * 2) == [[], ["a boat here"]]


@pytest.mark.parametrize(
    "text", ["", "\n\n", "a <end> b", "<pad>", "Query: x\nConcepts: y", "\ud83d\ude00 émigré", "\x00"]
)
def test_strange_queries_are_only_text(rewriter: LocalRewriter, text: str) -> None:
    (found,) = rewriter.rewrite([text], [rewriter.detect([text])[0] or ()])
    assert all("\n" not in rewrite and rewrite == " ".join(rewrite.split()) for rewrite in found)


def test_answers_are_cut_to_their_first_line() -> None:
    from raqo.agents.recot import distinct_lines

    assert distinct_lines(["\n a  boat\nQuery: and more", "a boat", "  ", "a\ttree"]) == ["a boat", "a tree"]


def test_the_fingerprint_is_that_of_the_weights(folder: Path, rewriter: LocalRewriter, tmp_path: Path) -> None:
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    assert rewriter.fingerprint == weights_hash(folder) == weights_hash(copy)
    with (copy / "model.safetensors").open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\x7f")
    assert weights_hash(copy) != weights_hash(folder)


def test_what_is_no_model_is_refused(tmp_path: Path, folder: Path) -> None:
    import shutil

    with pytest.raises(DataError, match=r"no config\.json"):
        LocalRewriter(tmp_path)
    with pytest.raises(DataError, match=r"no \*\.safetensors"):
        weights_hash(tmp_path)
    shutil.copytree(folder, tmp_path / "pickled")
    (tmp_path / "pickled" / "model.safetensors").rename(tmp_path / "pickled" / "pytorch_model.bin")
    with pytest.raises(DataError, match="cannot be loaded"):
        LocalRewriter(tmp_path / "pickled")
    with pytest.raises(ConfigError, match="at least 1"):
        RewriterSettings(batch_size=0)


def test_importing_it_loads_no_torch() -> None:
    modules = "raqo.agents.rewriter, raqo.training.settings, raqo.training.pipeline"
    subprocess.run([sys.executable, "-c", f"import sys, {modules}; assert 'torch' not in sys.modules"], check=True)
