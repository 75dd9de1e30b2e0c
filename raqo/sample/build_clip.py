"""Trains the sample world's retriever: a small open_clip model whose weaknesses come from what its captions lack.

Contrastive training on the world's own pictures (the split ``retriever``, disjoint from all others), families of
near-twins kept together in a batch, so that each batch holds hard negatives. A linear head shared by both towers names
what the scene holds; it speeds the training up several times and is thrown away afterwards.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from raqo.retrievers.clip.text import encode_tokens, text_ends
from raqo.sample.queries import retriever_caption
from raqo.sample.scene import COLOURS, KINDS, PATTERNS, RELATIONS, SETTINGS, SIZES, Scene
from raqo.sample.tokenizer import train_tokenizer
from raqo.sample.world import WorldScene

IMAGE_SIZE = 64
CONTEXT_LENGTH = 40
VOCAB_SIZE = 1536
MODEL_CFG: dict[str, Any] = {
    "embed_dim": 256,
    "vision_cfg": {"image_size": IMAGE_SIZE, "layers": [1, 1, 2, 1], "width": 32},
    "text_cfg": {
        "context_length": CONTEXT_LENGTH,
        "vocab_size": VOCAB_SIZE,
        "width": 192,
        "heads": 3,
        "layers": 3,
        "hf_tokenizer_name": "local",
    },
}
PREPROCESS_CFG = {"mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25], "interpolation": "bicubic"}
MODIFIERS = (*[s for s in SIZES if s != "medium"], *[p for p in PATTERNS if p != "plain"])


def build_clip(
    scenes: list[WorldScene],
    pixels: npt.NDArray[np.uint8],
    out: Path,
    *,
    seed: int = 0,
    steps: int = 1000,
    batch_size: int = 256,
    learning_rate: float = 1e-3,
    log: Any = print,
) -> None:
    """Train on `scenes` with their pictures (n, 64, 64, 3) and write an open_clip ``local-dir:`` folder to `out`."""
    from open_clip.model import CLIP, CLIPTextCfg, CLIPVisionCfg

    torch.manual_seed(seed)
    rng = random.Random(f"clip-{seed}")
    corpus = [retriever_caption(item.scene, rng) for item in scenes[:20_000]]
    tokenizer = train_tokenizer(corpus, vocab_size=VOCAB_SIZE, max_length=CONTEXT_LENGTH, add_start=True)
    text_cfg = {key: value for key, value in MODEL_CFG["text_cfg"].items() if key != "hf_tokenizer_name"}
    model = CLIP(MODEL_CFG["embed_dim"], CLIPVisionCfg(**MODEL_CFG["vision_cfg"]), CLIPTextCfg(**text_cfg))
    model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    head = nn.Linear(MODEL_CFG["embed_dim"], sum(_label_widths()))
    labels = _scene_labels(scenes)
    parameters = [*model.parameters(), *head.parameters()]
    optimiser = torch.optim.AdamW(parameters, lr=learning_rate, betas=(0.9, 0.98), weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, learning_rate, total_steps=steps, pct_start=0.05)
    started = time.monotonic()
    for step, batch in zip(range(1, steps + 1), _batches(scenes, batch_size, rng), strict=False):
        images = _augment(torch.from_numpy(pixels[batch]))
        texts = tokenizer(
            [retriever_caption(scenes[i].scene, rng) for i in batch],
            padding="max_length",
            truncation=True,
            max_length=CONTEXT_LENGTH,
            return_tensors="pt",
        )["input_ids"]
        with torch.autocast("cpu", torch.bfloat16):
            image_features = model.encode_image(images, normalize=True)
            text_features = _encode_texts(model, texts)
        image_features, text_features = image_features.float(), text_features.float()
        logits = model.logit_scale.exp() * image_features @ text_features.T
        truth = torch.arange(len(batch))
        contrast = (F.cross_entropy(logits, truth) + F.cross_entropy(logits.T, truth)) / 2
        target = labels[batch]
        named = _label_loss(head(image_features * 16), target) + _label_loss(head(text_features * 16), target)
        (contrast + 0.2 * named).backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        schedule.step()
        with torch.no_grad():
            model.logit_scale.clamp_(0, float(np.log(100)))
        if step % 50 == 0 or step == 1:
            hit = (logits.argmax(1) == truth).float().mean().item()
            rate = step * batch_size / (time.monotonic() - started)
            log(
                f"step {step}/{steps} contrast {contrast.item():.3f} named {named.item():.3f} "
                f"in-batch hit@1 {hit:.3f} scale {model.logit_scale.exp().item():.1f} {rate:.0f} pairs/s"
            )
    _save(model, tokenizer, out)


def _encode_texts(model: Any, ids: Tensor) -> Tensor:
    """Unit vectors (b, d) of ids (b, t): in groups of similar length, each run only as far as its longest text."""
    ends = text_ends(model, ids)
    order = ends.argsort()
    groups = [encode_tokens(model, ids[rows, : int(ends[rows].max()) + 1]) for rows in order.chunk(4)]
    return F.normalize(torch.cat(groups)[order.argsort()], dim=-1)


def _batches(scenes: list[WorldScene], size: int, rng: random.Random) -> Iterator[list[int]]:
    """Endless batches of whole families, shuffled anew each time round."""
    families = [list(group) for _, group in groupby(range(len(scenes)), key=lambda i: _family_key(scenes, i))]
    while True:
        rng.shuffle(families)
        flat = [index for family in families for index in family]
        for start in range(0, len(flat) - size + 1, size):
            yield flat[start : start + size]


def _family_key(scenes: list[WorldScene], index: int) -> Any:
    """Neighbours of one family share it: the scene with its focus blanked."""
    item = scenes[index]
    if item.focus is None:
        return index
    part, slot = item.focus.split(".")
    scene = item.scene
    if part in ("relation", "setting"):
        return (item.focus, scene.objects, scene.setting if part == "relation" else scene.relation)
    things = [
        (thing.kind, thing.colour, thing.size, thing.pattern)
        if "abc"[place] != part
        else tuple(getattr(thing, name) for name in ("kind", "colour", "size", "pattern") if name != slot)
        for place, thing in enumerate(scene.objects)
    ]
    return (item.focus, tuple(things), scene.setting, scene.relation)


def _label_widths() -> tuple[int, ...]:
    return (len(KINDS) * len(COLOURS), len(KINDS) * len(MODIFIERS), len(RELATIONS), len(SETTINGS))


def _scene_labels(scenes: list[WorldScene]) -> Tensor:
    """Multi-hot (n, widths): coloured kinds, modified kinds, relation, setting."""
    labels = torch.zeros(len(scenes), sum(_label_widths()))
    for row, item in enumerate(scenes):
        labels[row, _scene_columns(item.scene)] = 1
    return labels


def _scene_columns(scene: Scene) -> list[int]:
    coloured, modified, relations, _ = _label_widths()
    columns = []
    for thing in scene.objects:
        kind = KINDS.index(thing.kind)
        columns.append(kind * len(COLOURS) + COLOURS.index(thing.colour))
        for modifier in {thing.size, thing.pattern} & set(MODIFIERS):
            columns.append(coloured + kind * len(MODIFIERS) + MODIFIERS.index(modifier))
    columns.append(coloured + modified + RELATIONS.index(scene.relation))
    columns.append(coloured + modified + relations + SETTINGS.index(scene.setting))
    return columns


def _label_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Softmax cross-entropy per group of labels; labels of one group share the mass, an empty group costs nothing."""
    total = logits.new_zeros(())
    for part, wanted in zip(logits.split(_label_widths(), 1), target.split(_label_widths(), 1), strict=True):
        mass = wanted / wanted.sum(1, keepdim=True).clamp(min=1)
        total = total - (mass * part.log_softmax(1)).sum(1).mean()
    return total


def _augment(images: Tensor) -> Tensor:
    """Scale (b, h, w, 3) bytes to the model's range, mirror the batch at random and shift it by up to two pixels."""
    mean, std = torch.tensor(PREPROCESS_CFG["mean"]), torch.tensor(PREPROCESS_CFG["std"])
    scaled = ((images.float() / 255 - mean) / std).permute(0, 3, 1, 2)
    if torch.rand(()) < 0.5:
        scaled = scaled.flip(3)
    left, top = torch.randint(0, 5, (2,)).tolist()
    padded = F.pad(scaled, (2, 2, 2, 2), mode="replicate")
    shifted = padded[..., top : top + IMAGE_SIZE, left : left + IMAGE_SIZE]
    return shifted.contiguous(memory_format=torch.channels_last)


def _save(model: nn.Module, tokenizer: Any, out: Path) -> None:
    from safetensors.torch import save_file

    out.mkdir(parents=True, exist_ok=True)
    config = {"model_cfg": MODEL_CFG, "preprocess_cfg": PREPROCESS_CFG}
    (out / "open_clip_config.json").write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
    tokenizer.save_pretrained(out)
    weights = {
        name: (value.half() if value.is_floating_point() else value).contiguous()
        for name, value in model.state_dict().items()
    }
    save_file(weights, out / "open_clip_model.safetensors", metadata={"format": "pt"})
