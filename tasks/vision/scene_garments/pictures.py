"""The scenes: how many of each part, and what a model gets to see."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from .._scenes import compose

SIZE = 96  # pixels
COUNTS = {"train": 3_000, "val": 500, "test": 1_000}
MEAN, STD = 127.0, 128.0  # what the pretrained weights were trained with, in bytes


def build() -> dict[str, np.ndarray]:
    """Images uint8 [n, 3, SIZE, SIZE] and labels int64 [n] of each part."""
    arrays = {}
    for part, n in COUNTS.items():
        scenes = compose(part, n, (1, 1), seed=1, size=SIZE)
        arrays |= {f"{part}_images": scenes.images.transpose(0, 3, 1, 2), f"{part}_labels": scenes.labels}
    return arrays


def to_inputs(images: Tensor) -> tuple[Tensor]:
    """Bytes to float32 in -1..1."""
    return (images.float().sub_(MEAN).div_(STD),)


def augment(x: Tensor) -> tuple[Tensor]:
    """Mirror half of the scenes."""
    return (torch.where(torch.rand(len(x), 1, 1, 1) < 0.5, x, x.flip(3)),)
