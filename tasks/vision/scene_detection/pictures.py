"""Composes scenes with boxes, and makes the model's inputs of them."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from breakeven.task import Part

from .._scenes import compose

SIZE = 96  # pixels
OBJECTS = (1, 3)  # garments per scene
SCENES: dict[Part, int] = {"train": 5_000, "val": 200, "test": 200}
MEAN, STD = 127.5, 64.0  # bytes


def build() -> dict[str, np.ndarray]:
    """Make images uint8 [n, 96, 96, 3] and boxes float32 [n, 3, 5] of each part."""
    arrays: dict[str, np.ndarray] = {}
    for seed, (part, n) in enumerate(SCENES.items()):
        scenes = compose(part, n, OBJECTS, seed, SIZE)
        arrays |= {f"{part}_images": scenes.images, f"{part}_boxes": scenes.boxes}
    return arrays


def to_inputs(images: Tensor) -> tuple[Tensor]:
    """Convert bytes [batch, height, width, 3] to standardised float32 [batch, 3, height, width]."""
    return ((images.permute(0, 3, 1, 2).float() - MEAN) / STD,)


def augment(x: Tensor) -> tuple[Tensor]:
    """Change brightness and contrast. Boxes stay where they are."""
    n = len(x)
    return (x * (0.8 + 0.4 * torch.rand(n, 1, 1, 1)) + 0.4 * torch.randn(n, 1, 1, 1),)
