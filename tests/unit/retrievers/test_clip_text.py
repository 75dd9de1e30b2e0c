"""The shortened text tower against open_clip's own."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch

from raqo.retrievers.clip.text import encode_tokens, text_ends

LENGTH, END = 12, 49
VISION = {"image_size": 32, "layers": 1, "width": 32, "patch_size": 16, "head_width": 16}
TEXT = {"context_length": LENGTH, "vocab_size": END + 1, "width": 32, "heads": 2, "layers": 3}


def _model(kind: str = "CLIP", **text: Any) -> Any:
    import open_clip.model

    torch.manual_seed(0)
    model = getattr(open_clip.model, kind)(embed_dim=24, vision_cfg=VISION, text_cfg=TEXT | text).eval()
    with torch.no_grad():
        for parameter in model.parameters():  # what open_clip starts at 0 or 1 takes part too
            parameter += 0.1 * torch.randn_like(parameter)
    return model


def _ids(*lengths: int) -> torch.Tensor:
    """Random texts, the end token as the last of so many, zeros behind."""
    ids = torch.zeros(len(lengths), LENGTH, dtype=torch.long)
    for row, length in zip(ids, lengths, strict=True):
        row[:length] = torch.randint(1, END, (length,), generator=torch.Generator().manual_seed(length))
        row[length - 1] = END
    return ids


@pytest.mark.parametrize(
    "text", [{}, {"layers": 1}, {"ls_init_value": 0.5}, {"proj_bias": True}, {"proj_type": "none"}], ids=str
)
@pytest.mark.parametrize("longest", [5, LENGTH])
def test_features_of_cut_texts_are_those_of_the_whole_context(text: dict[str, Any], longest: int) -> None:
    model, ids = _model(**text), _ids(3, longest, 2, 4)
    assert text_ends(model, ids).tolist() == [2, longest - 1, 1, 3]
    with torch.inference_mode():
        torch.testing.assert_close(encode_tokens(model, ids[:, :longest]), model.encode_text(ids))


def test_gradients_are_those_of_open_clip() -> None:
    model, ids = _model(), _ids(4, 6, 2)
    other = copy.deepcopy(model)
    encode_tokens(model, ids[:, :6]).square().sum().backward()
    other.encode_text(ids).square().sum().backward()
    gradients = {name: parameter.grad for name, parameter in other.named_parameters() if parameter.grad is not None}
    assert "transformer.resblocks.2.mlp.c_fc.weight" in gradients
    for name, parameter in model.named_parameters():
        if name in gradients:
            torch.testing.assert_close(parameter.grad, gradients[name], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("CLIP", {"qk_norm": True}),
        ("CLIP", {"pool_type": "last"}),
        ("CLIP", {"no_causal_mask": True}),
        ("CustomTextCLIP", {}),
    ],
    ids=str,
)
def test_other_towers_need_their_whole_context(kind: str, text: dict[str, Any]) -> None:
    model, ids = _model(kind, **text), _ids(3, 5)
    assert text_ends(model, ids).tolist() == [LENGTH - 1] * 2
    with torch.inference_mode():
        torch.testing.assert_close(encode_tokens(model, ids), model.encode_text(ids))
