"""A chat model loaded with transformers: messages to prompts, prompts to completions. Used by `InProcessChat`."""

from __future__ import annotations

import base64
import binascii
import io
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from raqo._transformers import quiet_transformers
from raqo.agents.rewriter import weights_hash
from raqo.errors import DataError, message
from raqo.protocols import ChatResult, NoAnswerError
from raqo.records import FailureKind

Message = dict[str, Any]

_FIX = "give a folder with config.json, *.safetensors and a chat template, or such a model's name on the hub"
_PICTURE = "data:image/"


class ChatModel:
    """Model and tokenizer, or processor where it reads images.

    Attributes:
        name: the model, and which weights: the answers of two models are never taken for each other's.
        reads_images: whether messages may hold images.
    """

    def __init__(self, model: str, *, dtype: str, device: str) -> None:
        """Load.

        Raises:
            DataError: there is no such chat model.
        """
        self._model, self._front, self.reads_images = _load(model, dtype, device)
        self._tokenizer = getattr(self._front, "tokenizer", self._front)
        self._tokenizer.padding_side = "left"
        if self._tokenizer.pad_token_id is None:
            self._tokenizer.pad_token = self._tokenizer.eos_token
        if not self._front.chat_template:
            raise DataError(message(model, "this model has no chat template", "give one made for chat"))
        self.name = _name(model, self._model.config)
        self._controls = _controls(self._tokenizer)
        ends = self._model.generation_config.eos_token_id
        self._ends = ends if isinstance(ends, list) else [self._tokenizer.eos_token_id if ends is None else ends]
        self._context = self._model.config.get_text_config().max_position_embeddings
        self._reading = threading.Lock()  # fast tokenizers set their padding for all threads

    def read(self, messages: Sequence[Mapping[str, Any]]) -> tuple[list[Message], int]:
        """Messages as this model's template takes them, and how many tokens may follow.

        Raises:
            NoAnswerError: the model cannot read them.
        """
        conversation = [{"role": one["role"], "content": self._content(one["content"])} for one in messages]
        try:
            length = int(self._encode([conversation])["input_ids"].shape[1])
        except Exception as error:  # templates refuse roles and orders with errors of their own
            raise _unreadable(f"the chat template cannot be filled ({error})") from error
        if length >= self._context:
            raise _unreadable(f"{length} tokens do not fit a context of {self._context}")
        return conversation, self._context - length

    def generate(
        self, conversations: Sequence[list[Message]], *, n: int, temperature: float, seed: int, max_tokens: int
    ) -> list[list[ChatResult]]:
        """Give n completions of each conversation; greedy ones, which are all alike, at temperature 0."""
        import torch
        from transformers import GenerationConfig

        inputs = self._encode(conversations).to(self._model.device)
        sampled = {"do_sample": True, "temperature": temperature, "top_k": 0, "top_p": 1.0, "num_return_sequences": n}
        config = GenerationConfig(
            max_new_tokens=max_tokens,
            eos_token_id=self._ends,
            pad_token_id=self._tokenizer.pad_token_id,
            **(sampled if temperature > 0 else {"do_sample": False}),
        )
        devices = [self._model.device] if self._model.device.type == "cuda" else []
        with torch.inference_mode(), torch.random.fork_rng(devices), quiet_transformers():
            torch.manual_seed(seed)
            output = self._model.generate(**inputs, generation_config=config)
        rows = output[:, inputs["input_ids"].shape[1] :].tolist()
        lengths = inputs["attention_mask"].sum(dim=1).tolist()
        each = len(rows) // len(conversations)
        found = [self._results(rows[i * each : (i + 1) * each], length) for i, length in enumerate(lengths)]
        return [results + [_again(results[0])] * (n - each) for results in found]

    def _results(self, rows: Sequence[list[int]], prompt_tokens: int) -> list[ChatResult]:
        results = []
        for place, row in enumerate(rows):
            end = next((at for at, token in enumerate(row) if token in self._ends), None)
            with self._reading:
                text = self._tokenizer.decode(row[:end], skip_special_tokens=True)
            used = len(row) if end is None else end + 1
            reason = "length" if end is None else "stop"
            results.append(ChatResult(text, reason, 0 if place else prompt_tokens, used))
        return results

    def _encode(self, conversations: Sequence[list[Message]]) -> Any:
        with self._reading:
            return self._front.apply_chat_template(
                list(conversations),
                add_generation_prompt=True,
                tokenize=True,
                padding=True,
                return_dict=True,
                return_tensors="pt",
            )

    def _content(self, content: str | Sequence[Mapping[str, Any]]) -> str | list[Message]:
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
        read = [self._part(part) for part in parts]
        return read if self.reads_images else "\n".join(part["text"] for part in read)

    def _part(self, part: Mapping[str, Any]) -> Message:
        if part["type"] == "text":
            return {"type": "text", "text": self._inert(part["text"])}
        if not self.reads_images:
            raise _unreadable("this model reads no images")
        return {"type": "image", "image": _picture(part["image_url"]["url"])}

    def _inert(self, text: str) -> str:
        """Break up the tokenizer's control tokens: a text that spells them must not end its own message."""
        for token in self._controls:
            text = text.replace(token, f"{token[:1]} {token[1:]}")
        return text.encode("utf-8", "replace").decode()


def _load(model: str, dtype: str, device: str) -> tuple[Any, Any, bool]:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForImageTextToText, AutoProcessor, AutoTokenizer

    folder = Path(model).is_dir()
    if not folder and model.startswith((".", "/", "~")):
        raise DataError(message(model, "no such folder", _FIX))
    safe = {"local_files_only": folder, "trust_remote_code": False}
    try:
        with quiet_transformers():
            images = hasattr(AutoConfig.from_pretrained(model, **safe), "vision_config")
            front = (AutoProcessor if images else AutoTokenizer).from_pretrained(model, **safe)
            kind = AutoModelForImageTextToText if images else AutoModelForCausalLM
            loaded = kind.from_pretrained(model, dtype=dtype, use_safetensors=True, **safe)
    except (OSError, ValueError) as error:
        raise DataError(message(model, f"cannot be loaded as a chat model ({error})", _FIX)) from error
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    return loaded.to(device).eval(), front, images


def _controls(tokenizer: Any) -> list[str]:
    added = tokenizer.added_tokens_decoder.values()
    controls = {token.content for token in added if token.special or token.content.startswith("<")}
    return sorted(controls.union(tokenizer.all_special_tokens), key=lambda token: (-len(token), token))


def _name(model: str, config: Any) -> str:
    if Path(model).is_dir():
        return f"{Path(model).resolve().name}@{weights_hash(model)[:12]}"
    return f"{model}@{getattr(config, '_commit_hash', None) or 'unknown'}"


def _picture(url: str) -> Image.Image:
    head, _, data = url.partition(",")
    if not (head.startswith(_PICTURE) and head.endswith(";base64")):
        raise _unreadable("images must be data URLs; nothing is fetched")
    try:
        with Image.open(io.BytesIO(base64.b64decode(data, validate=True))) as image:
            return image.convert("RGB")
    except (OSError, ValueError, binascii.Error, Image.DecompressionBombError) as error:
        raise _unreadable(f"an image cannot be read ({type(error).__name__})") from error


def _again(result: ChatResult) -> ChatResult:
    return ChatResult(result.text, result.finish_reason, 0, 0)


def _unreadable(problem: str) -> NoAnswerError:
    return NoAnswerError(FailureKind.SERVER, problem)
