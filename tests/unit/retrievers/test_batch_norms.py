from __future__ import annotations

import pytest
import torch
from torch import nn

from raqo.retrievers.clip.batch_norms import fuse_batch_norms


@pytest.fixture
def resnet() -> nn.Module:
    """Of open_clip, with statistics as if it had been trained."""
    from open_clip.modified_resnet import ModifiedResNet

    torch.manual_seed(0)
    model = ModifiedResNet(layers=(1, 2, 1, 1), output_dim=16, heads=4, image_size=64, width=8)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean)
            nn.init.uniform_(module.running_var, 0.5, 2)
            nn.init.uniform_(module.weight, 0.5, 2)
            nn.init.normal_(module.bias)
    return model.eval()


@torch.no_grad()
def test_no_normalisation_is_left_and_features_stay(resnet: nn.Module) -> None:
    pixels = torch.randn(3, 3, 64, 64)
    expected = resnet(pixels)
    fused = fuse_batch_norms(resnet)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in fused.modules())
    torch.testing.assert_close(fused(pixels), expected, rtol=1e-4, atol=1e-4)


def test_a_model_that_learns_stays_as_it_is(resnet: nn.Module) -> None:
    names = [name for name, _ in fuse_batch_norms(resnet.train()).named_parameters()]
    assert any("bn1" in name for name in names)


def test_other_towers_are_left_alone() -> None:
    other = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)).eval()
    assert isinstance(fuse_batch_norms(other)[1], nn.BatchNorm2d)
