"""Small byte-level BPE tokenizers for the sample models; any text can be written in them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

PAD, START, END = "<pad>", "<start>", "<end>"


def train_tokenizer(texts: Iterable[str], *, vocab_size: int, max_length: int, add_start: bool) -> Any:
    """Train a `PreTrainedTokenizerFast`.

    The padding id is 0 and the end id is the highest of all: open_clip's default pooling reads the position of the
    highest id. A text is closed by the end token only where `add_start` opens it too (the retriever); a language model
    appends its own.
    """
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=add_start)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size - 1,
        special_tokens=[PAD, START],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.add_special_tokens([END])
    if add_start:
        ids = [(token, tokenizer.token_to_id(token)) for token in (START, END)]
        tokenizer.post_processor = processors.TemplateProcessing(single=f"{START} $A {END}", special_tokens=ids)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        bos_token=START,
        eos_token=END,
        model_max_length=max_length,
        clean_up_tokenization_spaces=False,
    )
