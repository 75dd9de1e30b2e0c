"""A dual encoder to start from: random weights in a small shape, or two checkpoints."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from raqo.retrievers.dual.folder import open_pretrained, save_dual
from raqo.training.dual.settings import DualSettings, DualShape

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def write_start(settings: DualSettings, texts: Iterable[str], folder: Path) -> str:
    """Write the dual encoder of `settings` as it is before training, and return the hash of its files.

    Args:
        settings: names its checkpoints, or the shape of a new one.
        texts: what the tokenizer of a new one is learnt from.
        folder: made where missing.

    Raises:
        ConfigError: checkpoints that cannot be found or do not suit each other.
        DataError: checkpoints that cannot be read.
    """
    if settings.query:
        lengths = {"question_length": settings.shape.question_length, "passage_length": settings.shape.passage_length}
        loaded = open_pretrained(settings.query, settings.knowledge, **lengths)
        made_from = {"query": settings.query, "knowledge": settings.knowledge}
        return save_dual(loaded.model, loaded.inputs, folder, made_from=made_from)
    model, inputs = new_dual(settings.shape, texts, seed=settings.seed)
    return save_dual(model, inputs, folder, made_from={"seed": settings.seed})


def new_dual(shape: DualShape, texts: Iterable[str], *, seed: int = 0) -> tuple[Any, Any]:
    """Make a `DualEncoder` with random weights and its `DualInputs`; both encoders share one tokenizer."""
    import torch
    from transformers import BertConfig, BertModel, ViltConfig, ViltModel
    from transformers.models.vilt.image_processing_pil_vilt import ViltImageProcessorPil

    from raqo.retrievers.dual.encoder import DualEncoder
    from raqo.retrievers.dual.inputs import DualInputs

    tokenizer = _tokenizer(texts, shape)
    sizes: dict[str, Any] = {
        "vocab_size": len(tokenizer),
        "hidden_size": shape.hidden,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "intermediate_size": 4 * shape.hidden,
        # small encoders that see few rows: with dropout they need several times the steps before they learn anything
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
        # the usual 0.02 suits a width of 768; with it a narrow encoder gives every text the same first token
        "initializer_range": shape.hidden**-0.5,
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        query = ViltModel(
            ViltConfig(
                image_size=shape.image_size,
                patch_size=shape.patch_size,
                max_position_embeddings=shape.question_length,
                **sizes,
            )
        )
        # scores start near 1: where they start large, InfoNCE first makes all vectors alike and stays there
        torch.nn.init.normal_(query.pooler.dense.weight, std=1 / shape.hidden)
        knowledge = BertModel(
            BertConfig(max_position_embeddings=shape.passage_length, **sizes), add_pooling_layer=False
        )
    pictures = ViltImageProcessorPil(size={"shortest_edge": shape.image_size}, size_divisor=shape.patch_size)
    lengths = {"question_length": shape.question_length, "passage_length": shape.passage_length}
    return DualEncoder(query, knowledge), DualInputs(tokenizer, tokenizer, pictures, **lengths)


def _tokenizer(texts: Iterable[str], shape: DualShape) -> Any:
    """Reads texts as BERT does. (The trainer of tokenizers makes another vocabulary of the same texts each time.)"""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    pad, unknown, start, end, mask = SPECIAL
    normalizer, splitter = normalizers.BertNormalizer(lowercase=True), pre_tokenizers.BertPreTokenizer()
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(word for word, _ in splitter.pre_tokenize_str(normalizer.normalize_str(text)))
    tokenizer = Tokenizer(models.WordPiece(_vocabulary(counts, shape.vocabulary), unk_token=unknown))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizer, splitter
    ends = [(token, tokenizer.token_to_id(token)) for token in (start, end)]
    tokenizer.post_processor = processors.TemplateProcessing(single=f"{start} $A {end}", special_tokens=ends)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=pad,
        unk_token=unknown,
        cls_token=start,
        sep_token=end,
        mask_token=mask,
        model_max_length=max(shape.question_length, shape.passage_length),
    )


def _vocabulary(counts: Counter[str], size: int) -> dict[str, int]:
    """Special tokens, every character at the head of a word and inside one, and the most frequent words."""
    characters = sorted({character for word in counts for character in word})
    pieces = [*SPECIAL, *characters, *(f"##{character}" for character in characters)]
    words = sorted(counts, key=lambda word: (-counts[word], word))
    return {piece: at for at, piece in enumerate(dict.fromkeys([*pieces, *words[: max(0, size - len(pieces))]]))}
