"""A folder laid out like ImageNet's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

TEXT = "imagenet_folder-network=test_resnet"


def supply(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """The folder, named."""
    patch.setenv("BREAKEVEN_IMAGENET", str(write(folder)))


def write(folder: Path, train: int = 216, test: int = 48, classes: int = 6) -> Path:
    """Its two folders, with so many pictures of each class in them, of several sizes and two colour models."""
    draw = np.random.default_rng(0)
    for part, n in (("train", train), ("val", test)):
        for label in range(classes):
            name = f"n0144076{label}"
            (folder / part / name).mkdir(parents=True)
            for i in range(n):
                height, width = draw.integers(20, 60, 2)
                shape = (height, width, 3) if i % 10 else (height, width)  # ImageNet has grey ones too
                pixels = draw.integers(0, 120, shape, dtype=np.uint8) + np.uint8(20 * label)
                Image.fromarray(pixels).save(folder / part / name / f"{name}_{i}.JPEG")
    return folder
