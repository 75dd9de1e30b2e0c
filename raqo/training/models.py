"""Loads and saves the language model being trained; safetensors only, no code from the model's folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from raqo._transformers import quiet_transformers
from raqo.agents.raw_prompts import stop_ids, use_raw_prompts
from raqo.errors import ConfigError, message
from raqo.training.settings import LoraSettings, WeightsDtype


def resolve_model(name: str) -> Path:
    """Return the folder of a model: ``sample``, a folder, or a Hugging Face name (fetched if not in its cache).

    Raises:
        ConfigError: there is no such model, or it has no configuration or no safetensors.
    """
    if name == "sample":
        from raqo.sample.weights import BASE_LM_DIR

        return BASE_LM_DIR
    if Path(name).is_dir():
        return _complete(Path(name))
    if name.startswith((".", "/", "~")):
        raise ConfigError(message("training.model", f"no folder {name!r}", "give a folder or a Hugging Face name"))
    from huggingface_hub import snapshot_download

    try:
        found = snapshot_download(name, allow_patterns=["*.safetensors", "*.json", "*.model", "*.txt", "*.jinja"])
    except Exception as error:
        first = str(error).partition("\n")[0]
        problem = f"{name!r} is neither a folder nor available from Hugging Face ({type(error).__name__}: {first})"
        raise ConfigError(
            message("training.model", problem, "give a folder with config.json and *.safetensors")
        ) from error
    return _complete(Path(found))


def _complete(folder: Path) -> Path:
    """The folder, if it has what a model needs."""
    for pattern in ("config.json", "*.safetensors"):
        if not any(folder.glob(pattern)):
            fix = "give a model that transformers can load, with its weights as safetensors"
            raise ConfigError(message("training.model", f"{folder} has no {pattern}", fix))
    return folder


def load_tokenizer(folder: Path) -> Any:
    """Load a tokenizer; a missing padding token becomes the end token."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    if tokenizer.eos_token_id is None:
        problem = "the tokenizer has no end token"
        raise ConfigError(message(str(folder), problem, "set eos_token in tokenizer_config.json"))
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def load_model(folder: Path, *, dtype: WeightsDtype, lora: LoraSettings | None) -> Any:
    """Load a causal language model, with fresh adapters if asked for."""
    from transformers import AutoModelForCausalLM

    # on CPUs, padded rows in bfloat16 train 1.4 times as fast with plain attention
    attention = None if torch.cuda.is_available() else "eager"
    with quiet_transformers():
        model = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=getattr(torch, dtype),
            attn_implementation=attention,
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=False,
        )
    return model if lora is None else _with_adapters(model, lora)


def save_model(model: Any, tokenizer: Any, folder: Path) -> None:
    """Write weights (adapters merged) and tokenizer to a folder that transformers and vLLM can load and serve.

    Whatever chat template the base model had, servers shall ask the rewriter with the plain prompts it was taught.
    """
    if hasattr(model, "merge_and_unload"):
        model = model.merge_and_unload()
    use_raw_prompts(tokenizer)
    model.generation_config.eos_token_id = stop_ids(tokenizer)
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    with quiet_transformers():
        model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _with_adapters(model: Any, lora: LoraSettings) -> Any:
    from peft import LoraConfig, get_peft_model

    modules = lora.target_modules if isinstance(lora.target_modules, str) else list(lora.target_modules)
    config = LoraConfig(
        r=lora.rank, lora_alpha=lora.alpha, lora_dropout=lora.dropout, target_modules=modules, task_type="CAUSAL_LM"
    )
    adapted = get_peft_model(model, config)
    adapted.enable_input_require_grads()  # else gradient checkpointing cuts the adapters off
    return adapted
