"""Scenes with boxes, and what a model gets to see of them."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from .._scenes import compose

SIZE = 96
OBJECTS = (1, 3)
SCENES = {"train": 5_000, "val": 200, "test": 200}
MEAN, STD = 127.5, 64.0


def build() -> dict[str, np.ndarray]:
    """Images uint8 [n, 96, 96, 3] and boxes float32 [n, 3, 5] of each part."""
    arrays = {}
    for seed, (part, n) in enumerate(SCENES.items()):
        scenes = compose(part, n, OBJECTS, seed, SIZE)  # type: ignore[arg-type]
        arrays |= {f"{part}_images": scenes.images, f"{part}_boxes": scenes.boxes}
    return arrays


def to_inputs(images: Tensor) -> tuple[Tensor]:
    """Bytes [batch, height, width, 3] to float32 [batch, 3, height, width]."""
    return ((images.permute(0, 3, 1, 2).float() - MEAN) / STD,)


def augment(x: Tensor) -> tuple[Tensor]:
    """Brighter or darker, with more or less contrast: boxes stay where they are."""
    n = len(x)
    return (x * (0.8 + 0.4 * torch.rand(n, 1, 1, 1)) + 0.4 * torch.randn(n, 1, 1, 1),)
