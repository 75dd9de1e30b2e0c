"""A chat server that fills the template reads the very tokens that `LocalRewriter` reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from raqo.agents.prompts import render_detect, render_rewrite
from raqo.agents.raw_prompts import MARK, stop_ids, use_raw_prompts
from raqo.agents.rewriter import _open
from raqo.retrievers.encodable import encodable
from raqo.sample.weights import BASE_LM_DIR

QUERIES = (
    "a dinghy at sea",
    "",
    "two  blanks\nand a line",
    "a <end> b <start><pad>",
    "émigré \ud83d\ude00",
    "{{ 1 }} {% x %}",
)


def trained(*, opens: bool, closes: bool = False) -> Any:
    """A small tokenizer that puts special tokens around every text, or not."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    special = ["<pad>", "<start>", "<end>"]
    trainer = trainers.BpeTrainer(
        vocab_size=300, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(["a dinghy at sea"], trainer)
    single = f"{'<start> ' if opens else ''}$A{' <end>' if closes else ''}"
    tokenizer.post_processor = processors.TemplateProcessing(
        single=single, special_tokens=[("<start>", 1), ("<end>", 2)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", bos_token="<start>", eos_token="<end>"
    )


def prompt_ids(tokenizer: Any, prompt: str) -> list[int]:
    return _open(tokenizer(encodable(prompt), split_special_tokens=True)["input_ids"], tokenizer.eos_token_id)


def served_ids(folder: Path, prompt: str) -> list[int]:
    """What servers do: load the folder, fill the template, tokenise the text without adding special tokens."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    messages = [{"role": "user", "content": encodable(prompt)}]
    ids = tokenizer.apply_chat_template(messages, tokenize=True, add_generation_prompt=True, return_dict=True)[
        "input_ids"
    ]
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    assert tokenizer(text, add_special_tokens=False)["input_ids"] == ids
    return list(ids)


@pytest.mark.parametrize("kind", ["sample", "plain", "closing"])
def test_servers_read_the_same_tokens(kind: str, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = (
        AutoTokenizer.from_pretrained(BASE_LM_DIR)
        if kind == "sample"
        else trained(opens=False, closes=kind == "closing")
    )
    tokenizer.chat_template = "an instruct model's own {{ messages }}"
    prompts = [
        render(query) for query in QUERIES for render in (render_detect, lambda text: render_rewrite(text, ["x"]))
    ]
    local = [prompt_ids(tokenizer, prompt) for prompt in prompts]
    use_raw_prompts(tokenizer)
    tokenizer.save_pretrained(tmp_path)
    assert (tmp_path / "chat_template.jinja").read_text().startswith(MARK)
    assert [served_ids(tmp_path, prompt) for prompt in prompts] == local
    assert [prompt_ids(AutoTokenizer.from_pretrained(tmp_path), prompt) for prompt in prompts] == local


def test_a_tokenizer_that_opens_every_text_is_served_with_its_opening(tmp_path: Path) -> None:
    tokenizer = trained(opens=True, closes=True)
    local = [prompt_ids(tokenizer, render_detect(query)) for query in QUERIES]
    assert all(ids[0] == 1 for ids in local)
    use_raw_prompts(tokenizer)
    tokenizer.save_pretrained(tmp_path)
    served = [served_ids(tmp_path, render_detect(query)) for query in QUERIES]
    spelt = next(place for place, query in enumerate(QUERIES) if "<end>" in query)
    assert [ids for place, ids in enumerate(served) if place != spelt] == [
        ids for place, ids in enumerate(local) if place != spelt
    ]
    assert served[spelt][0] == 1
    assert not {0, 1, 2} & set(served[spelt][1:])  # spelt-out special tokens stay text


def test_answers_end_with_the_end_token_or_the_line() -> None:
    tokenizer = trained(opens=False)
    end, line_break = stop_ids(tokenizer)
    assert end == tokenizer.eos_token_id
    assert tokenizer.decode([line_break]) == "\n"
