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

    The same computation as open_clip's `CLIP.encode_text`, less what does not reach the features: positions after the
    first t, and all positions but the end token's behind the attention of the last block.
    """
    if not _may_be_cut(model):
        return model.encode_text(ids)  # type: ignore[no-any-return]
    length, dtype = ids.shape[1], model.transformer.get_cast_dtype()
    x = model.token_embedding(ids).to(dtype) + model.positional_embedding[:length].to(dtype)
    x = model.ln_final(_read_at(model.transformer, x, model.attn_mask[:length, :length], ids.argmax(dim=-1)))
    projection = model.text_projection
    if projection is None:
        return x  # type: ignore[no-any-return]
    return projection(x) if isinstance(projection, torch.nn.Linear) else x @ projection  # type: ignore[no-any-return]


def _read_at(transformer: Any, x: Tensor, mask: Tensor, ends: Tensor) -> Tensor:
    """What a causal transformer makes of x (b, t, w) at one position of each row, given as (b,): (b, w)."""
    *blocks, last = transformer.resblocks
    for block in blocks:
        x = block(x, attn_mask=mask)
    rows, positions = torch.arange(len(x), device=x.device), torch.arange(x.shape[1], device=x.device)
    seen = last.ln_1(x)
    found = last.attn(
        seen[rows, ends, None], seen, seen, key_padding_mask=positions > ends[:, None], need_weights=False
    )[0]
    end = x[rows, ends] + last.ls_1(found[:, 0])
    return end + last.ls_2(last.mlp(last.ln_2(end)))  # type: ignore[no-any-return]


def _may_be_cut(model: Any) -> bool:
    from open_clip.model import CLIP
    from open_clip.transformer import ResidualAttentionBlock

    return (
        isinstance(model, CLIP)
        and model.attn_mask is not None
        and model.text_pool_type == "argmax"
        and model.transformer.batch_first
        and type(model.transformer.resblocks[-1]) is ResidualAttentionBlock
    )
