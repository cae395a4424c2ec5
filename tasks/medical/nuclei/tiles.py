"""Tiles of one micrograph, by the part of it that they lie in. No torch."""

from __future__ import annotations

import numpy as np
from PIL import Image

from breakeven.data import PyPI, obtain

STARDIST = PyPI(
    "stardist",
    "0.9.2",
    "2316c0feb7bd5621e7a277cb3868df475c338943c591925c420ee3622c42f023",
    "stardist-0.9.2-cp311-cp311-manylinux_2_24_x86_64.manylinux_2_28_x86_64.whl",
)
# Columns of pixels; few nuclei are wider than the gaps, so hardly any lies in two parts.
PARTS = {"train": slice(0, 272), "val": slice(296, 360), "test": slice(384, 512)}
SIZE = 64  # pixels
CROPS = 768  # for training


def build() -> dict[str, np.ndarray]:
    """Tiles float32 [n, 1, SIZE, SIZE] and masks uint8 [n, SIZE, SIZE], 1 where a nucleus is, of each part."""
    folder = obtain(STARDIST) / "stardist" / "data" / "images"
    picture, outlines = (np.asarray(Image.open(folder / f"{name}2d.tif")) for name in ("img", "mask"))
    return split(picture.astype(np.float32), (outlines > 0).astype(np.uint8))


def split(picture: np.ndarray, mask: np.ndarray) -> dict[str, np.ndarray]:
    """Tiles side by side for validation and test, random crops for training; standardised by the training columns."""
    seen = picture[:, PARTS["train"]]
    layers = ((picture - seen.mean()) / seen.std(), mask)
    arrays: dict[str, np.ndarray] = {}
    for part, columns in PARTS.items():
        tiles, masks = (crops if part == "train" else side_by_side)(*(layer[:, columns] for layer in layers))
        arrays |= {f"{part}_tiles": tiles[:, None], f"{part}_masks": masks}
    return arrays


def side_by_side(*layers: np.ndarray) -> list[np.ndarray]:
    """Every layer [height, width] cut into tiles [n, SIZE, SIZE], row by row."""
    windows = (np.lib.stride_tricks.sliding_window_view(layer, (SIZE, SIZE)) for layer in layers)
    return [window[::SIZE, ::SIZE].reshape(-1, SIZE, SIZE) for window in windows]


def crops(*layers: np.ndarray) -> list[np.ndarray]:
    """CROPS places in layers [height, width], turned by quarters, mirrored at random: of each [CROPS, SIZE, SIZE]."""
    rng = np.random.default_rng(0)
    height, width = layers[0].shape
    found: list[list[np.ndarray]] = [[] for _ in layers]
    for _ in range(CROPS):
        top, left = rng.integers(height - SIZE + 1), rng.integers(width - SIZE + 1)
        quarters, step = rng.integers(4), rng.choice([-1, 1])
        for layer, tiles in zip(layers, found, strict=True):
            tiles.append(np.rot90(layer[top : top + SIZE, left : left + SIZE], quarters)[:, ::step])
    return [np.stack(tiles) for tiles in found]
