"""Trains the sample world's base language model: it knows every wording and nothing of the retriever.

A small Llama learns to do what a general language model does when asked through raqo's two prompts: name some words of
a query, and say given words in another way; in whole sentences, and in short queries. Which words it names and which
synonym it picks are drawn uniformly, so there is no retriever's preference to be found in it. Foreign English words are
mixed in, so that it can copy what it does not know.
"""

from __future__ import annotations

import functools
import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from raqo._torch_threads import add_gradients
from raqo.sample.captions import FORMS, SHORT_FORMS, Mention, caption, mentions, short_caption
from raqo.sample.tokenizer import train_tokenizer
from raqo.sample.world import WorldScene

VOCAB_SIZE = 2048
MAX_LENGTH = 160
FOREIGN_SHARE = 0.15
SHORT_SHARE = 0.3
PARTS = 4
IGNORED = -100

RenderDetect = Callable[[str], str]
RenderRewrite = Callable[[str, Sequence[str]], str]


def build_lm(
    scenes: list[WorldScene],
    foreign_words: Sequence[str],
    out: Path,
    *,
    render_detect: RenderDetect,
    render_rewrite: RenderRewrite,
    join_concepts: Callable[[Sequence[str]], str],
    seed: int = 0,
    steps: int = 3500,
    batch_size: int = 64,
    learning_rate: float = 1.5e-3,
    log: Any = print,
) -> None:
    """Train and write a Hugging Face folder to `out`. The renderers are those of training and serving."""
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(seed)
    rng = random.Random(f"lm-{seed}")

    def example() -> tuple[str, str]:
        return _example(rng.choice(scenes), foreign_words, rng, render_detect, render_rewrite, join_concepts)

    corpus = [prompt + completion for prompt, completion in (example() for _ in range(30_000))]
    tokenizer = train_tokenizer(corpus, vocab_size=VOCAB_SIZE, max_length=MAX_LENGTH, add_start=False)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=VOCAB_SIZE,
            hidden_size=192,
            intermediate_size=512,
            num_hidden_layers=4,
            num_attention_heads=3,
            num_key_value_heads=3,
            max_position_embeddings=512,
            tie_word_embeddings=True,
            attn_implementation="eager",  # on CPUs, with padding and bf16, 1.4 times the speed of sdpa
            pad_token_id=tokenizer.pad_token_id,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
        )
    )
    optimiser = torch.optim.AdamW(model.parameters(), lr=learning_rate, betas=(0.9, 0.98), weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, learning_rate, total_steps=steps, pct_start=0.05)
    pool: list[list[tuple[str, str]]] = []
    started, seen = time.monotonic(), 0
    for step in range(1, steps + 1):
        if not pool:  # draw for many batches at once and group by length: little padding
            drawn = sorted((example() for _ in range(batch_size * 16)), key=lambda pair: len(pair[0]) + len(pair[1]))
            pool = [drawn[start : start + batch_size] for start in range(0, len(drawn), batch_size)]
            rng.shuffle(pool)
        parts = _batches(pool.pop(), tokenizer)
        learnt = sum(int((labels != IGNORED).sum()) for _, labels in parts)
        loss = add_gradients(functools.partial(_loss, model, learnt), parts, model)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        schedule.step()
        seen += sum(ids.numel() for ids, _ in parts)
        if step % 200 == 0 or step == 1:
            log(f"step {step}/{steps} loss {loss.item():.3f} {seen / (time.monotonic() - started):.0f} tokens/s")
    out.mkdir(parents=True, exist_ok=True)
    model.half().save_pretrained(out)
    tokenizer.save_pretrained(out)


def _example(
    item: WorldScene,
    foreign_words: Sequence[str],
    rng: random.Random,
    render_detect: RenderDetect,
    render_rewrite: RenderRewrite,
    join_concepts: Callable[[Sequence[str]], str],
) -> tuple[str, str]:
    """One prompt and its completion: naming words of a query, or saying some of its words in another way."""
    said, write = _short(item, rng) if rng.random() < SHORT_SHARE else _whole(item, rng)
    words = [_any_wording(mention, rng) for mention in said]
    chosen = sorted(rng.sample(range(len(said)), min(len(said), rng.choice((0, 1, 2, 2, 3, 3, 4)))))
    foreign = {}
    if rng.random() < FOREIGN_SHARE:
        strange = rng.sample(range(len(said)), min(len(said), rng.choice((1, 1, 2))))
        foreign = {index: rng.choice(foreign_words) for index in strange}
    words = [foreign.get(index, word) for index, word in enumerate(words)]
    query, named = write(said, words), [words[index] for index in chosen]
    if rng.random() < 0.3:
        return render_detect(query), " " + join_concepts(named)
    replaced = list(words)
    for index in chosen:
        if index not in foreign:
            others = [word for word in said[index].concept.wordings if word != words[index]]
            replaced[index] = rng.choice(others)
    return render_rewrite(query, named), " " + write(said, replaced)


_Writer = Callable[[Sequence[Mention], Sequence[str]], str]


def _whole(item: WorldScene, rng: random.Random) -> tuple[Sequence[Mention], _Writer]:
    """Everything about a scene, and a sentence form for it."""
    return mentions(item.scene), functools.partial(caption, form=rng.randrange(len(FORMS)))


def _short(item: WorldScene, rng: random.Random) -> tuple[Sequence[Mention], _Writer]:
    """Some of what a short form speaks of: of an object at least its kind."""
    form = rng.randrange(len(SHORT_FORMS))
    spoken_of, _ = SHORT_FORMS[form]
    found = [mention for mention in mentions(item.scene) if mention.part in spoken_of]
    optional = {"colour", "size", "pattern"}
    said = [mention for mention in found if mention.concept.slot not in optional or rng.random() < 0.6]
    return said, functools.partial(short_caption, form=form)


def _any_wording(mention: Mention, rng: random.Random) -> str:
    return rng.choice(mention.concept.wordings)


def _loss(model: Any, learnt: int, part: tuple[Tensor, Tensor]) -> Tensor:
    """What a part adds to the mean cross-entropy of `learnt` tokens; no logits are made for what all rows only read."""
    ids, labels = part
    first = int((labels != IGNORED).any(0).nonzero()[0])
    mask = ids != model.config.pad_token_id
    with torch.autocast("cpu", torch.bfloat16):
        logits = model(input_ids=ids, attention_mask=mask, logits_to_keep=ids.shape[1] - first + 1).logits
    wanted = labels[:, first:]
    chosen = wanted != IGNORED
    total = torch.nn.functional.cross_entropy(logits[:, :-1][chosen].float(), wanted[chosen], reduction="sum")
    return total / learnt


def _batches(examples: list[tuple[str, str]], tokenizer: Any) -> list[tuple[Tensor, Tensor]]:
    """Parts of a batch: right-padded ids and labels (b, t); only the completion and its end token are learnt."""
    prompts = tokenizer([prompt for prompt, _ in examples])["input_ids"]
    completions = tokenizer([completion for _, completion in examples])["input_ids"]
    rows = [[*p, *c, tokenizer.eos_token_id] for p, c in zip(prompts, completions, strict=True)]
    size = -(-len(rows) // PARTS)
    return [
        _padded(prompts[at : at + size], rows[at : at + size], tokenizer.pad_token_id)
        for at in range(0, len(rows), size)
    ]


def _padded(prompts: list[list[int]], rows: list[list[int]], pad_id: int) -> tuple[Tensor, Tensor]:
    width = max(map(len, rows))
    ids = torch.full((len(rows), width), pad_id)
    labels = torch.full((len(rows), width), IGNORED)
    for row, (prompt, tokens) in enumerate(zip(prompts, rows, strict=True)):
        ids[row, : len(tokens)] = torch.tensor(tokens)
        labels[row, len(prompt) : len(tokens)] = torch.tensor(tokens[len(prompt) :])
    return ids, labels
