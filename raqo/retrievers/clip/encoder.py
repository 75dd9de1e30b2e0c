"""Texts and pictures to unit vectors with an open_clip model."""

from __future__ import annotations

import os
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Generic, TypeVar

import numpy as np
import torch
from torch import Tensor

from raqo._torch_threads import run_batches
from raqo.protocols import FloatArray
from raqo.retrievers.clip.batch_norms import fuse_batch_norms
from raqo.retrievers.clip.loading import LoadedClip, load_clip
from raqo.retrievers.clip.text import encode_tokens, text_ends
from raqo.retrievers.encodable import encodable
from raqo.retrievers.images import open_image

Key = TypeVar("Key", bound=Hashable)
_Picture = tuple[str, tuple[int, ...]]
"""Path, and what changes with the file."""

LENGTH_STEP = 4
"""Texts are cut to a multiple of this many tokens, so that few shapes occur."""

TOKENIZED_AT_ONCE = 256
"""Texts of one call of the tokenizer; the model is busy with earlier ones meanwhile."""


class ClipEncoder:
    """An `Encoder` over open_clip, in float32.

    Texts are grouped by length and cut, which changes nothing (`raqo.retrievers.clip.text`) and makes short ones much
    cheaper. Pictures are decoded by threads that run at most a batch ahead of the model, so memory does not grow
    with their number. The vectors of both are kept, up to a bound; those of a picture as long as its file does not
    change.

    The model always sees whole batches; a short one is filled up with repeats. BLAS and oneDNN sum in another order for
    another shape, and a vector must not depend on its neighbours in the last digit: mining that is resumed half way
    meets its queries in other batches and has to arrive at the same numbers.
    """

    def __init__(
        self, loaded: LoadedClip, *, batch_size: int = 32, workers: int = 4, vector_cache: int = 50_000
    ) -> None:
        self._device = next(loaded.model.parameters()).device
        on_cpu = self._device.type == "cpu"
        self._clip = replace(loaded, model=fuse_batch_norms(loaded.model))
        self._batch_size = batch_size
        self._workers = min(workers, torch.get_num_threads()) if on_cpu else workers  # the model needs the cores too
        self._texts = _Kept[str](vector_cache)
        self._images = _Kept[_Picture](vector_cache)

    @classmethod
    def load(
        cls, source: str, *, device: str = "auto", batch_size: int = 32, workers: int = 4, vector_cache: int = 50_000
    ) -> ClipEncoder:
        """Load ``open_clip:NAME/TAG`` (downloaded once), ``local-dir:FOLDER`` or a folder.

        A folder holds ``open_clip_config.json``, ``open_clip_model.safetensors`` and, where the configuration names an
        ``hf_tokenizer_name``, the tokenizer.

        Raises:
            ConfigError: the name is unknown.
            DataError: weights that are missing, pickled, or do not fit the configuration.
        """
        where = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
        return cls(load_clip(source, where), batch_size=batch_size, workers=workers, vector_cache=vector_cache)

    @property
    def fingerprint(self) -> str:
        """``NAME@HASH``: the model's name, and the hash of its weights and configuration."""
        return f"{self._clip.name}@{self._clip.weights}"

    @property
    def context_length(self) -> int:
        """The most tokens of a text that the model reads, special tokens included."""
        return int(self._clip.tokenizer.context_length)

    def token_counts(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, special tokens included, before any truncation."""
        tokenizer, valid = self._clip.tokenizer, [encodable(text) for text in texts]
        if not valid:
            return []
        if not hasattr(tokenizer, "tokenizer"):  # open_clip's own byte-pair tokenizer; start and end token come on top
            return [len(tokenizer.encode(text)) + 2 for text in valid]
        clean = [tokenizer.clean_fn(text) for text in valid]
        return [len(ids) for ids in tokenizer.tokenizer(clean, truncation=False, verbose=False)["input_ids"]]

    def encode_texts(self, texts: Sequence[str]) -> FloatArray:
        """Encode to float32 of shape (n, d) with rows of unit length; longer texts are cut at `context_length`."""
        return self._texts.look_up(list(texts), self._embed_texts) if texts else self._empty()

    def encode_images(self, paths: Sequence[str]) -> FloatArray:
        """Encode image files to float32 of shape (n, d) with rows of unit length.

        Raises:
            DataError: a file cannot be read (`images.open_image`); nothing is returned then.
        """
        return self._images.look_up([_picture(path) for path in paths], self._embed_images) if paths else self._empty()

    def _embed_texts(self, texts: list[str]) -> list[FloatArray]:
        rows: list[list[int]] = []

        def batches() -> Iterator[Tensor]:
            for batch in self._by_length(texts):
                rows.append([row for row, _ in batch])
                yield torch.stack([ids for _, ids in batch])

        found: dict[int, FloatArray] = {}
        for turn, vectors in enumerate(run_batches(self._embed_tokens, batches(), self._clip.model)):
            found.update(zip(rows[turn], (vector.copy() for vector in vectors), strict=True))  # keeps no batch alive
        return [found[row] for row in range(len(texts))]

    def _by_length(self, texts: list[str]) -> Iterator[list[tuple[int, Tensor]]]:
        """Batches of (row, tokens) that need equally many tokens, rounded up to `LENGTH_STEP`, as they fill up.

        Texts are tokenized a few at a time, while the model is busy with those before them.
        """
        waiting: dict[int, list[tuple[int, Tensor]]] = {}
        for start in range(0, len(texts), TOKENIZED_AT_ONCE):
            ids = self._clip.tokenizer([encodable(text) for text in texts[start : start + TOKENIZED_AT_ONCE]])
            lengths = (text_ends(self._clip.model, ids) // LENGTH_STEP + 1) * LENGTH_STEP
            for row, (length, tokens) in enumerate(zip(lengths.tolist(), ids, strict=True), start):
                batch = waiting.setdefault(length, [])
                batch.append((row, tokens[:length]))
                if len(batch) == self._batch_size:
                    yield waiting.pop(length)
        yield from waiting.values()

    def _embed_images(self, pictures: list[_Picture]) -> Iterator[FloatArray]:
        batches = _batched(self._pixels([path for path, _ in pictures]), self._batch_size)
        for vectors in run_batches(self._embed_pixels, batches, self._clip.model):
            yield from (row.copy() for row in vectors)

    def _embed_pixels(self, pixels: list[Tensor]) -> FloatArray:
        return self._run(self._encode_pixels, torch.stack(pixels))

    def _embed_tokens(self, ids: Tensor) -> FloatArray:
        return self._run(self._encode_tokens, ids)

    def _encode_pixels(self, pixels: Tensor) -> Tensor:
        features: Tensor = self._clip.model.encode_image(pixels.contiguous(memory_format=torch.channels_last))
        return features

    def _encode_tokens(self, ids: Tensor) -> Tensor:
        return encode_tokens(self._clip.model, ids)

    def _run(self, encode: Callable[[Tensor], Tensor], batch: Tensor) -> FloatArray:
        count = len(batch)
        if count < self._batch_size:
            batch = batch[torch.arange(self._batch_size) % count]
        with torch.inference_mode():
            features = encode(batch.to(self._device))[:count].float()
            vectors: FloatArray = torch.nn.functional.normalize(features, dim=-1).cpu().numpy()
        return vectors

    def _pixels(self, paths: list[str]) -> Iterator[Tensor]:
        """Decoded pictures in order, read ahead by at most a batch."""
        waiting: deque[Future[Tensor]] = deque()
        with ThreadPoolExecutor(self._workers) as pool:
            try:
                for path in paths:
                    waiting.append(pool.submit(lambda one: self._clip.transform(open_image(one)), path))
                    if len(waiting) > self._batch_size:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                for future in waiting:
                    future.cancel()

    def _empty(self) -> FloatArray:
        return self._run(self._encode_tokens, self._clip.tokenizer(["a"]))[:0]


class _Kept(Generic[Key]):
    """The vectors that were asked for last, at most so many."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._vectors: OrderedDict[Key, FloatArray] = OrderedDict()

    def look_up(self, keys: Sequence[Key], embed: Callable[[list[Key]], Iterable[FloatArray]]) -> FloatArray:
        """Vectors (n, d) of n > 0 keys; those that are not there are embedded, each once."""
        distinct = dict.fromkeys(keys)
        vectors = {key: self._vectors[key] for key in distinct if key in self._vectors}
        new = [key for key in distinct if key not in vectors]
        vectors.update(zip(new, embed(new), strict=True))
        for key in distinct:
            self._vectors[key] = vectors[key]
            self._vectors.move_to_end(key)
        while len(self._vectors) > self._limit:
            self._vectors.popitem(last=False)
        return np.stack([vectors[key] for key in keys])


def _picture(path: str) -> _Picture:
    try:
        found = os.stat(path)
    except (OSError, ValueError):  # whoever opens it says what is wrong
        return path, ()
    return path, (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def _batched(items: Iterator[Tensor], size: int) -> Iterator[list[Tensor]]:
    batch: list[Tensor] = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
