"""Composes the scenes of each part, and makes the model's inputs of them."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from breakeven.task import Part

from .._scenes import compose

SIZE = 96  # pixels
COUNTS: dict[Part, int] = {"train": 3_000, "val": 500, "test": 1_000}
MEAN, STD = 127.0, 128.0  # bytes, as in the training of the pretrained weights


def build() -> dict[str, np.ndarray]:
    """Make images uint8 [n, 3, SIZE, SIZE] and labels int64 [n] of each part."""
    arrays: dict[str, np.ndarray] = {}
    for part, n in COUNTS.items():
        scenes = compose(part, n, (1, 1), seed=1, size=SIZE)
        arrays |= {f"{part}_images": scenes.images.transpose(0, 3, 1, 2), f"{part}_labels": scenes.labels}
    return arrays


def to_inputs(images: Tensor) -> tuple[Tensor]:
    """Convert bytes to float32 in -1..1."""
    return (images.float().sub_(MEAN).div_(STD),)


def augment(x: Tensor) -> tuple[Tensor]:
    """Mirror half of the scenes."""
    return (torch.where(torch.rand(len(x), 1, 1, 1) < 0.5, x, x.flip(3)),)
