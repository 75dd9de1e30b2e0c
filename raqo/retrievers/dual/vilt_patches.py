"""ViLT's patch embeddings without chance.

The implementation in transformers draws the order of a picture's patches anew at every call and pads with random ones:
the same picture gets another vector in the last digits, and the generator of the training run moves. Attention does not
see the order, so leaving it alone changes nothing else.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional


def embed_patches(vilt: Any, pixels: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Embed pictures as `ViltModel` does, up to the order of the patches.

    Args:
        vilt: a `ViltModel`.
        pixels: (B, 3, H, W), pictures in the upper left corner, zeros elsewhere.
        mask: (B, H, W), 1 where there is a picture. A row of zeros is a query without one.

    Returns:
        Embeddings (B, 1 + P, d) of picture token and patches, and their mask; to be given to the model as
        ``image_embeds`` and ``pixel_mask``. A query without a picture has no picture token either.
    """
    embeddings = vilt.embeddings
    patches = embeddings.patch_embeddings(pixels)
    there = functional.interpolate(mask[:, None].float(), size=patches.shape[2:])[:, 0].long()
    sizes = list(zip(there[:, :, 0].sum(1).tolist(), there[:, 0].sum(1).tolist(), strict=True))
    positions = _positions(embeddings.position_embeddings, sizes, patches.shape[2:])
    first = embeddings.position_embeddings[:, :1] + embeddings.cls_token
    placed = (patches + positions).flatten(2).transpose(1, 2)
    vectors = embeddings.dropout(torch.cat([first.expand(len(placed), -1, -1), placed], dim=1))
    has_picture = there.flatten(1).amax(1, keepdim=True)
    return vectors, torch.cat([has_picture, there.flatten(1)], dim=1)


def _positions(learnt: Tensor, sizes: list[tuple[int, int]], grid: torch.Size) -> Tensor:
    """The learnt square of positions stretched over each picture's own patches: (B, d, h, w)."""
    side = round((learnt.shape[1] - 1) ** 0.5)
    square = learnt[:, 1:].transpose(1, 2).reshape(1, -1, side, side)
    height, width = grid
    stretched = {
        (h, w): functional.pad(
            functional.interpolate(square, size=(h, w), mode="bilinear", align_corners=True),
            (0, width - w, 0, height - h),
        )
        for h, w in {size for size in sizes if 0 not in size}
    }
    nothing = square.new_zeros(1, square.shape[1], height, width)
    return torch.cat([stretched.get(size, nothing) for size in sizes])
