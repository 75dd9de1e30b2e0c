"""The text tower of an open_clip model, run only as far as the texts go."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def text_ends(model: Any, ids: Tensor) -> Tensor:
    """Position of the last token each text needs: (b, t) ids -> (b,).

    A causal tower that pools at the end token (the highest id) never sees what comes after it, so texts may be cut
    there. Any other tower needs its whole context.
    """
    if _may_be_cut(model):
        return ids.argmax(dim=-1)
    return torch.full((len(ids),), ids.shape[1] - 1)


def encode_tokens(model: Any, ids: Tensor) -> Tensor:
    """Features (b, d), not normalised, of ids (b, t); t may be below the context length where `text_ends` says so.

    open_clip's `CLIP.encode_text` adds the whole table of positions and so takes ids of full length only; this is the
    same computation over the first t positions.
    """
    length = ids.shape[1]
    if length == model.context_length or not _may_be_cut(model):
        return model.encode_text(ids)  # type: ignore[no-any-return]
    dtype = model.transformer.get_cast_dtype()
    x = model.token_embedding(ids).to(dtype) + model.positional_embedding[:length].to(dtype)
    x = model.ln_final(model.transformer(x, attn_mask=model.attn_mask[:length, :length]))
    x = x[torch.arange(len(ids), device=x.device), ids.argmax(dim=-1)]
    projection = model.text_projection
    if projection is None:
        return x  # type: ignore[no-any-return]
    return projection(x) if isinstance(projection, torch.nn.Linear) else x @ projection  # type: ignore[no-any-return]


def _may_be_cut(model: Any) -> bool:
    from open_clip.model import CLIP

    return isinstance(model, CLIP) and model.attn_mask is not None and model.text_pool_type == "argmax"
