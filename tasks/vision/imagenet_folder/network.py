"""Makes timm's networks at their own image size, with timm's weights or new weights."""

from __future__ import annotations

from torch import nn

from breakeven.components.image_networks import image_classifier, narrower

from .._weights import timms_weights
from .pictures import size


def network(name: str, classes: int, pretrained: bool) -> nn.Module:
    """Make a network with a last layer for that many classes.

    Raises:
        UserError: timm has no network of that name, or its weights cannot be obtained.
    """
    with timms_weights(name, pretrained):
        return image_classifier(name, 3, classes, size(name), {"pretrained": pretrained})


def student(name: str, classes: int, width: float) -> nn.Module:
    """Make a narrower network with new weights."""
    return image_classifier(name, 3, classes, size(name), narrower(network(name, classes, pretrained=False), width))
