"""Reads MedMNIST's images and makes the model's inputs of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from torch import Tensor

from .sets import SETS


def builder(name: str) -> Callable[[], dict[str, np.ndarray]]:
    """The function that prepares the set of that name."""

    def build() -> dict[str, np.ndarray]:
        return read(SETS[name].file(name).path())

    return build


def read(path: Path) -> dict[str, np.ndarray]:
    """Read images uint8 [n, 1 or 3, 28, 28] and labels int64 [n] of each part, as the makers split them."""
    arrays = {}
    with np.load(path, allow_pickle=False) as file:
        for part in ("train", "val", "test"):
            images = file[f"{part}_images"]  # [n, 28, 28] in grey, [n, 28, 28, 3] in colour
            arrays[f"{part}_images"] = images[:, None] if images.ndim == 3 else images.transpose(0, 3, 1, 2)
            arrays[f"{part}_labels"] = file[f"{part}_labels"][:, 0].astype(np.int64)
    return arrays


def to_inputs(images: Tensor) -> tuple[Tensor]:
    """Convert bytes to float32 in -1..1, as MedMNIST's makers do."""
    return (images.float().div_(127.5).sub_(1),)
