"""What the trainers cost over a plain torch loop of the same model, and how fast the rewriter generates.

Run: ``python benchmarks/training.py`` (about two minutes on two cores). Sizes are those of the sample world: a Llama of
1.9 million parameters, rows of about 64 tokens. Prints ratios; absolute figures depend on the machine.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from pathlib import Path

import torch

from raqo.agents.prompts import render_rewrite
from raqo.agents.rewriter import LocalRewriter, RewriterSettings
from raqo.sample.tokenizer import train_tokenizer
from raqo.training.models import load_model, load_tokenizer
from raqo.training.pro_trainer import train_pro
from raqo.training.rows import Pair, RankedList
from raqo.training.settings import ProSettings, SftSettings
from raqo.training.sft import train_sft
from raqo.training.tokens import encode_pairs

VOCABULARY = 2048


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--batch-size", type=int, default=64)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measure(Path(folder), options.steps, options.batch_size)


def measure(folder: Path, steps: int, batch_size: int) -> None:
    rng = random.Random(0)
    words = ["".join(rng.choices("bcdfglmnprst", k=2)) + rng.choice("aeiou") + rng.choice("lnrst") for _ in range(1200)]
    rows = [make_row(words, rng) for _ in range(2000)]
    model_dir = make_model(folder / "base", [row.prompt + row.completion for row in rows])
    shared = {"learning_rate": 1e-3, "max_steps": steps, "save_steps": 0, "bf16": True}

    plain = timed(lambda: plain_loop(model_dir, rows, steps, batch_size), "plain torch loop", steps)
    sft = SftSettings(batch_size=batch_size, **shared)
    ours = timed(lambda: train_sft(rows, model_dir=model_dir, out_dir=folder / "sft", settings=sft), "train_sft", steps)
    print(f"train_sft / plain loop: {ours / plain:.2f}")

    lists = [
        RankedList(row.prompt, tuple(make_row(words, rng).completion for _ in range(4)), (4, 3, 2, 1)) for row in rows
    ]
    pro = ProSettings(batch_size=batch_size // 4, **shared)
    ranked = timed(
        lambda: train_pro(lists, model_dir=model_dir, out_dir=folder / "pro", settings=pro), "train_pro", steps
    )
    print(f"train_pro / plain loop, same number of sequences: {ranked / plain:.2f}")

    queries = [row.prompt.split("\n")[0].removeprefix("Query: ") for row in rows[:512]]
    for size in (1, 16, 64, 128, 256):
        generate(model_dir, queries[: max(16, 2 * size)], size)


def make_row(words: list[str], rng: random.Random) -> Pair:
    query = rng.choices(words, k=22)
    return Pair(render_rewrite(" ".join(query), query[2:4]), " " + " ".join(rng.choices(words, k=22)))


def make_model(folder: Path, texts: list[str]) -> Path:
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    tokenizer = train_tokenizer(texts, vocab_size=VOCABULARY, max_length=256, add_start=False)
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=192,
        intermediate_size=512,
        num_hidden_layers=4,
        num_attention_heads=3,
        num_key_value_heads=3,
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def plain_loop(model_dir: Path, rows: list[Pair], steps: int, batch_size: int) -> None:
    """The least that trains the same model on the same rows."""
    tokenizer = load_tokenizer(model_dir)
    pairs = encode_pairs(tokenizer, [row.prompt for row in rows], [row.completion for row in rows])
    model = load_model(model_dir, dtype="float32", lora=None)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
    for step in range(steps):
        batch = [pairs[(step * batch_size + i) % len(pairs)] for i in range(batch_size)]
        width = max(map(len, batch))
        ids = torch.zeros((len(batch), width), dtype=torch.long)
        labels = torch.full((len(batch), width), -100)
        for row, pair in enumerate(batch):
            ids[row, : len(pair)] = torch.tensor(pair.prompt + pair.completion)
            labels[row, len(pair.prompt) : len(pair)] = torch.tensor(pair.completion)
        with torch.autocast("cpu", torch.bfloat16):
            loss = model(input_ids=ids, labels=labels, attention_mask=(ids != 0).long()).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)


def generate(folder: Path, queries: list[str], batch_size: int) -> None:
    # an untrained model does not end its answers, so each takes all its tokens
    rewriter = LocalRewriter(folder, settings=RewriterSettings(batch_size=batch_size, max_new_tokens=24))
    started = time.perf_counter()
    rewriter.rewrite(queries, [()] * len(queries))
    seconds = time.perf_counter() - started
    speed = len(queries) / seconds
    print(f"generate, batch {batch_size}: {speed:.0f} queries/s, {24 * speed:.0f} tokens/s")


def timed(run: object, name: str, steps: int) -> float:
    started = time.perf_counter()
    run()  # type: ignore[operator]
    seconds = time.perf_counter() - started
    print(f"{name}: {seconds:.1f} s, {1000 * seconds / steps:.0f} ms per step")
    return seconds


if __name__ == "__main__":
    main()
