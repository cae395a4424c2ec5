"""Composes the scenes of each part, and makes the model's inputs of them."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, one_hot

from breakeven.task import Part

from .._scenes import compose

SIZE = 64  # pixels
COUNTS: dict[Part, int] = {"train": 9_000, "val": 500, "test": 1_000}
GARMENTS = (1, 3)  # per scene
MEAN, STD = 0.45, 0.25  # roughly those of the training pixels in 0..1
BACKGROUND = 0.3  # the weight of background pixels, which are the most frequent


def build() -> dict[str, np.ndarray]:
    """Make images uint8 [n, 3, SIZE, SIZE] and masks uint8 [n, SIZE, SIZE] of each part."""
    arrays: dict[str, np.ndarray] = {}
    for part, n in COUNTS.items():
        scenes = compose(part, n, GARMENTS, seed=0, size=SIZE)
        arrays |= {f"{part}_images": scenes.images.transpose(0, 3, 1, 2), f"{part}_masks": scenes.masks}
    return arrays


def to_inputs(images: Tensor) -> tuple[Tensor]:
    """Convert bytes to standardised float32."""
    return (images.float().div_(255).sub_(MEAN).div_(STD),)


def augment(x: Tensor) -> tuple[Tensor]:
    """Change the brightness of each scene and colour. No pixel moves, since masks are not augmented."""
    scale, shift = torch.rand(2, len(x), 3, 1, 1)
    return (x * (0.8 + 0.4 * scale) + (shift - 0.5),)


def loss(outputs: Tensor, target: Tensor) -> Tensor:
    """Cross entropy [nats] plus the soft Dice loss (Milletari et al., arXiv:1606.04797) of the classes in a scene.

    Args:
        outputs: logits [batch, classes, height, width].
        target: classes [batch, height, width]; 0 is the background.
    """
    target = target.long()
    weights = torch.ones(outputs.shape[1], device=outputs.device)
    weights[0] = BACKGROUND
    entropy = cross_entropy(outputs, target, weight=weights, reduction="none").mean()
    found, true = outputs.softmax(1), one_hot(target, outputs.shape[1]).movedim(-1, 1)
    dice = (2 * (found * true).sum((2, 3)) + 1) / ((found + true).sum((2, 3)) + 1)  # of each scene and class
    shown = true.amax((2, 3))
    return entropy + ((1 - dice) * shown).sum(1).div(shown.sum(1)).mean()
