"""The trained rewriter in this process: detect, then rewrite (RAQO, ReCoT), batched over queries.

torch and transformers load with the first `LocalRewriter`, not with this module.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from raqo._transformers import quiet_transformers
from raqo.agents.prompts import ANY_CONCEPT, render_detect, render_rewrite
from raqo.agents.raw_prompts import stop_ids
from raqo.agents.recot import challenging_concepts, distinct_lines
from raqo.errors import ConfigError, DataError, message

# a model with a longer context is still never asked to read more than this
MAX_CONTEXT = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class RewriterSettings:
    """How the rewriter generates; decoding is deterministic (greedy, or beams for several rewrites).

    Attributes:
        batch_size: prompts generated at once, on a CPU in each thread; a GPU has room for more.
        max_new_tokens: the most tokens of an answer.
        dtype: bfloat16 is faster on new processors, but near ties may fall otherwise than in float32.
        device: ``auto`` takes the first CUDA device, else the CPU.
        base_url: of an endpoint that serves the run's model (``raqo serve``), asked instead of a model in this process.
        api_key_env: environment variable with that endpoint's key, if it asks for one.
    """

    batch_size: int = 64
    max_new_tokens: int = 64
    dtype: Literal["float32", "bfloat16"] = "float32"
    device: str = "auto"
    base_url: str | None = None
    api_key_env: str | None = None

    def __post_init__(self) -> None:
        if self.batch_size < 1 or self.max_new_tokens < 1:
            raise ConfigError(message("rewriter", "batch_size and max_new_tokens must be at least 1", "correct them"))


class LocalRewriter:
    """A causal language model from a folder with safetensors weights, as `raqo.protocols.Rewriter`.

    Answers are untrusted plain text: the first line, folded to single blanks. A prompt that the model cannot read whole
    is not asked and gets no answer. Equal prompts are asked once.
    """

    def __init__(self, folder: str | Path, *, settings: RewriterSettings | None = None) -> None:
        """Load a model.

        Args:
            folder: as written by `raqo.training` or by ``save_pretrained``.
            settings: how to generate.

        Raises:
            DataError: the folder has no such model.
        """
        self._folder = Path(folder)
        self._settings = settings or RewriterSettings()
        self._model, self._tokenizer = _load(self._folder, self._settings)
        self._stop = stop_ids(self._tokenizer)
        context = min(getattr(self._model.config, "max_position_embeddings", MAX_CONTEXT), MAX_CONTEXT)
        self._max_prompt = context - self._settings.max_new_tokens

    @functools.cached_property
    def fingerprint(self) -> str:
        """SHA-256 of weights and tokenizer."""
        return weights_hash(self._folder)

    def detect(self, texts: Sequence[str]) -> list[tuple[str, ...] | None]:
        """ReCoT step 1: the challenging concepts of each text, named or changed in a draft."""
        named = self._answer([render_detect(text) for text in texts], n=1)
        drafts = self.rewrite(texts, [ANY_CONCEPT] * len(texts))
        return [challenging_concepts(*one) for one in zip(texts, named, drafts, strict=True)]

    def rewrite(self, texts: Sequence[str], concepts: Sequence[tuple[str, ...]], *, n: int = 1) -> list[list[str]]:
        """ReCoT step 2: up to n distinct rewrites of each text, best first; greedy for one, beam search for several."""
        return self._answer([render_rewrite(text, some) for text, some in zip(texts, concepts, strict=True)], n=n)

    def _answer(self, prompts: Sequence[str], *, n: int) -> list[list[str]]:
        from raqo._torch_threads import run_batches

        # half a surrogate pair, as JSON may hold, cannot be tokenised
        prompts = [prompt.encode("utf-8", "replace").decode() for prompt in prompts]
        distinct = list(dict.fromkeys(prompts))
        if not distinct:
            return []
        encoded = self._tokenizer(distinct, split_special_tokens=True, verbose=False)["input_ids"]
        ids = {
            prompt: _open(tokens, self._tokenizer.eos_token_id)
            for prompt, tokens in zip(distinct, encoded, strict=True)
        }
        # prompts of one length have answers of about one length: less padding, fewer steps
        order = sorted(
            (prompt for prompt in distinct if len(ids[prompt]) <= self._max_prompt), key=lambda p: len(ids[p])
        )
        answers: dict[str, list[str]] = {}
        size = self._settings.batch_size if n == 1 else max(1, self._settings.batch_size // (2 * n))
        batches = [order[start : start + size] for start in range(0, len(order), size)]
        rows = ([ids[prompt] for prompt in batch] for batch in batches)
        generated = run_batches(functools.partial(self._generate, n=n), rows, self._model)
        for batch, texts in zip(batches, generated, strict=True):
            answers.update(zip(batch, texts, strict=True))
        return [answers.get(prompt, []) for prompt in prompts]

    def _generate(self, rows: Sequence[list[int]], n: int) -> list[list[str]]:
        import torch

        batch = self._tokenizer.pad({"input_ids": list(rows)}, return_tensors="pt").to(self._model.device)
        # twice as many beams, for some are alike once folded; stopping early would put short answers first
        beams = {} if n == 1 else {"num_beams": 2 * n, "num_return_sequences": 2 * n, "early_stopping": False}
        with torch.inference_mode():
            output = self._model.generate(
                **batch,
                max_new_tokens=self._settings.max_new_tokens,
                do_sample=False,
                eos_token_id=self._stop,
                pad_token_id=self._tokenizer.pad_token_id,
                **beams,
            )
        texts = self._tokenizer.batch_decode(output[:, batch["input_ids"].shape[1] :], skip_special_tokens=True)
        per_row = len(texts) // len(rows)
        return [distinct_lines(texts[start : start + per_row])[:n] for start in range(0, len(texts), per_row)]


def weights_hash(folder: str | Path) -> str:
    """SHA-256 of a model's weights and tokenizer.

    Raises:
        DataError: the folder holds no safetensors.
    """
    files = sorted(Path(folder).glob("*.safetensors"))
    if not files:
        problem = "no *.safetensors in this folder"
        raise DataError(message(str(folder), problem, "give the folder of a model saved with save_pretrained"))
    digest = hashlib.sha256()
    for path in [*files, *sorted(Path(folder).glob("tokenizer*"))]:
        with path.open("rb") as file:
            digest.update(f"{path.name}\0{hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return digest.hexdigest()


def _load(folder: Path, settings: RewriterSettings) -> tuple[Any, Any]:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    if not (folder / "config.json").is_file():
        raise DataError(message(str(folder), "no config.json in this folder", "give the folder of a trained rewriter"))
    safe = {"local_files_only": True, "trust_remote_code": False}
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, padding_side="left", **safe)
        with quiet_transformers():
            model = AutoModelForCausalLM.from_pretrained(
                folder, dtype=getattr(torch, settings.dtype), use_safetensors=True, **safe
            )
    except (OSError, ValueError) as error:
        problem = f"cannot be loaded as a language model ({error})"
        raise DataError(message(str(folder), problem, "give the folder of a trained rewriter")) from error
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    device = settings.device if settings.device != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
    return model.to(device).eval(), tokenizer


def _open(tokens: list[int], end: int) -> list[int]:
    """Drop the end token of a tokenizer that closes every text."""
    return tokens[:-1] if tokens and tokens[-1] == end else tokens
