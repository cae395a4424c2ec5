"""timm's networks, at their own size, with timm's weights or new ones."""

from __future__ import annotations

import timm
from torch import nn

from breakeven.errors import UserError
from breakeven.networks import image_classifier, narrower

from .pictures import size


def network(name: str, classes: int, pretrained: bool) -> nn.Module:
    """The network with a last layer for as many classes.

    Raises:
        UserError: timm has no network of that name, or its weights cannot be had.
    """
    if pretrained and timm.is_model(name) and not timm.models.is_model_pretrained(name):
        raise UserError(f"timm has no weights for '{name}': take pretrained=False, or a network with weights")
    try:
        return image_classifier(name, 3, classes, size(name), {"pretrained": pretrained})
    except OSError as error:  # so the hub's own errors are
        said = str(error).strip().splitlines()[0]
        raise UserError(
            f"timm's weights for '{name}' could not be had ({said}): give this machine access to huggingface.co, or "
            "copy its cache ($HF_HOME) from one that has them, or take pretrained=False"
        ) from error


def student(name: str, classes: int, width: float) -> nn.Module:
    """A narrower network with new weights."""
    return image_classifier(name, 3, classes, size(name), narrower(network(name, classes, pretrained=False), width))
