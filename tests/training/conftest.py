"""A language model small enough to be taught by heart in seconds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from raqo.agents.prompts import render_detect, render_rewrite
from raqo.training.rows import Pair, RankedList, TrainingData

WORDS = {"dinghy": "boat", "spruce": "tree", "canine": "dog", "feline": "cat"}


@pytest.fixture(scope="session")
def data() -> TrainingData:
    """Detection, rewriting and ranking of four words."""
    queries = {word: f"a {word} here" for word in WORDS}
    return TrainingData(
        ccd=tuple(Pair(render_detect(query), f" {word}") for word, query in queries.items()),
        qre=tuple(Pair(render_rewrite(queries[w], [w]), f" a {common} here") for w, common in WORDS.items()),
        pro=tuple(
            RankedList(
                render_rewrite(queries[w], [w]), (f" a {w} here", f" a {c} thing", f" a {c} here"), (0.21, 0.24, 0.29)
            )
            for w, c in WORDS.items()
        ),
        retriever="r1",
    )


@pytest.fixture(scope="session")
def base_model(tmp_path_factory: pytest.TempPathFactory, data: TrainingData) -> Path:
    """An untrained Llama with two layers of 32 and a byte-level BPE of 300 tokens."""
    folder = tmp_path_factory.mktemp("base")
    make_model(folder, [row.prompt + row.completion for row in (*data.ccd, *data.qre)])
    return folder


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A picture of each colour, by its name."""
    from dual_toy import write_pictures

    return write_pictures(tmp_path_factory.mktemp("pictures"))


@pytest.fixture(scope="session")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained dual encoder."""
    from dual_toy import QUESTION, SHAPE, TEXTS

    from raqo.training.dual.pipeline import start_from
    from raqo.training.dual.settings import DualSettings

    texts = [*TEXTS.values(), QUESTION]
    return start_from(DualSettings(shape=SHAPE), texts, tmp_path_factory.mktemp("models") / "start")


def make_model(folder: Path, texts: Sequence[str]) -> None:
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    special = ["<pad>", "<end>"]
    trainer = trainers.BpeTrainer(
        vocab_size=320, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<end>")
    torch.manual_seed(0)
    config = LlamaConfig(
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
    LlamaForCausalLM(config).save_pretrained(folder)
    fast.save_pretrained(folder)


@pytest.fixture
def greedy() -> Callable[[Path, Sequence[str]], list[str]]:
    """Ask a model folder with plain `generate`, one prompt at a time."""

    def ask(folder: Path, prompts: Sequence[str]) -> list[str]:
        from transformers import AutoModelForCausalLM, AutoTokenizer

        model: Any = AutoModelForCausalLM.from_pretrained(folder).eval()
        tokenizer: Any = AutoTokenizer.from_pretrained(folder)
        answers = []
        for prompt in prompts:
            batch = tokenizer(prompt, return_tensors="pt")
            output = model.generate(**batch, max_new_tokens=16, do_sample=False)
            answers.append(tokenizer.decode(output[0, batch["input_ids"].shape[1] :], skip_special_tokens=True))
        return answers

    return ask
