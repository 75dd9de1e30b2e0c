"""Batch normalisation of a finished ResNet, folded into the convolutions before it: less work for the same vectors."""

from __future__ import annotations

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

PAIRS = {"conv1": "bn1", "conv2": "bn2", "conv3": "bn3", "0": "1"}
"""Convolutions and what comes right after them, by their names in open_clip's ResNets."""


def fuse_batch_norms(model: nn.Module) -> nn.Module:
    """Fold, in place, the batch normalisations of open_clip's ResNets; returns the model.

    Its vectors stay the same but for the last digits. Other towers, and models that still learn, stay as they are.
    """
    from open_clip.modified_resnet import Bottleneck, ModifiedResNet

    for tower in [module for module in model.modules() if isinstance(module, ModifiedResNet)]:
        for block in [module for module in tower.modules() if isinstance(module, ModifiedResNet | Bottleneck)]:
            _fuse(block)
            if isinstance(block, Bottleneck) and block.downsample is not None:
                _fuse(block.downsample)
    return model


def _fuse(block: nn.Module) -> None:
    children = dict(block.named_children())
    for first, after in PAIRS.items():
        convolution, norm = children.get(first), children.get(after)
        if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d) and not norm.training:
            setattr(block, first, fuse_conv_bn_eval(convolution, norm))
            setattr(block, after, nn.Identity())
