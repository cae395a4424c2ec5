"""Cuts one micrograph into the tiles of each part. Importing this module does not import torch."""

from __future__ import annotations

import numpy as np
from PIL import Image

from breakeven.data import obtain

from . import STARDIST

# Columns of pixels. Few nuclei are wider than the gaps between parts, so hardly any nucleus lies in two parts.
PARTS = {"train": slice(0, 272), "val": slice(296, 360), "test": slice(384, 512)}
SIZE = 64  # pixels
CROPS = 768  # training tiles


def build() -> dict[str, np.ndarray]:
    """Make tiles float32 [n, 1, SIZE, SIZE] and masks uint8 [n, SIZE, SIZE] of each part; a mask is 1 on nuclei."""
    folder = obtain(STARDIST) / "stardist" / "data" / "images"
    picture, outlines = (np.asarray(Image.open(folder / f"{name}2d.tif")) for name in ("img", "mask"))
    return split(picture.astype(np.float32), (outlines > 0).astype(np.uint8))


def split(picture: np.ndarray, mask: np.ndarray) -> dict[str, np.ndarray]:
    """Cut tiles side by side for validation and test, and random crops for training.

    All are standardised by the training columns.
    """
    seen = picture[:, PARTS["train"]]
    layers = ((picture - seen.mean()) / seen.std(), mask)
    arrays: dict[str, np.ndarray] = {}
    for part, columns in PARTS.items():
        tiles, masks = (crops if part == "train" else side_by_side)(*(layer[:, columns] for layer in layers))
        arrays |= {f"{part}_tiles": tiles[:, None], f"{part}_masks": masks}
    return arrays


def side_by_side(*layers: np.ndarray) -> list[np.ndarray]:
    """Cut each layer [height, width] into tiles [n, SIZE, SIZE], row by row."""
    windows = (np.lib.stride_tricks.sliding_window_view(layer, (SIZE, SIZE)) for layer in layers)
    return [window[::SIZE, ::SIZE].reshape(-1, SIZE, SIZE) for window in windows]


def crops(*layers: np.ndarray) -> list[np.ndarray]:
    """Cut CROPS random places out of each layer [height, width], rotate and mirror them at random.

    Returns:
        [CROPS, SIZE, SIZE] for each layer, all cut at the same places.
    """
    rng = np.random.default_rng(0)
    height, width = layers[0].shape
    found: list[list[np.ndarray]] = [[] for _ in layers]
    for _ in range(CROPS):
        top, left = rng.integers(height - SIZE + 1), rng.integers(width - SIZE + 1)
        quarters, step = rng.integers(4), rng.choice([-1, 1])
        for layer, tiles in zip(layers, found, strict=True):
            tiles.append(np.rot90(layer[top : top + SIZE, left : left + SIZE], int(quarters))[:, ::step])
    return [np.stack(tiles) for tiles in found]
