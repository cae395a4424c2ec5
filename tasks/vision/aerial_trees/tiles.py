"""Cuts aerial photographs into tiles with the boxes of their trees, and makes the model's inputs of them."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from breakeven.data import obtain

from . import DEEPFOREST

SIZE = 128  # pixels; the side of a tile
STEP = {"train": 64, "val": 128, "test": 128}  # pixels from tile to tile
LARGE, TEST = "2019_YELL_2_528000_4978000_image_crop2", "2019_YELL_2_541000_4977000_image_crop"
SMALL = ("OSBS_029", "SOAP_061")  # of other landscapes, for training only
VALIDATION = 1920  # the row of the large photograph that separates training tiles from validation tiles below
COPIES = {LARGE: 2, **dict.fromkeys(SMALL, 8)}  # of each training tile, turned and mirrored at random
SHOWN = 0.4  # the least visible share of a box that a tile's edge cuts
MOST = 24  # trees per tile
MEAN, STD = 110.0, 50.0


def build() -> dict[str, np.ndarray]:
    """Make images uint8 [n, 128, 128, 3] and boxes float32 [n, 24, 5] of each part."""
    folder, rng = obtain(DEEPFOREST) / "deepforest" / "data", np.random.default_rng(0)
    image, trees = read(folder, LARGE)
    training = {LARGE: (image[:VALIDATION], trees), **{name: read(folder, name) for name in SMALL}}
    parts = {
        "train": [
            turned(*each, rng)
            for name, photograph in training.items()
            for each in tiles(*photograph, STEP["train"]) * COPIES[name]
        ],
        "val": tiles(image[VALIDATION:], trees - [0, VALIDATION, 0, VALIDATION], STEP["val"]),
        "test": tiles(*read(folder, TEST), STEP["test"]),
    }
    arrays = {f"{part}_images": np.stack([image for image, _ in found]) for part, found in parts.items()}
    return arrays | {f"{part}_boxes": np.stack([padded(boxes) for _, boxes in found]) for part, found in parts.items()}


def read(folder: Path, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Read a photograph uint8 [height, width, 3] and its boxes float64 [n, 4], from an image and a Pascal VOC file."""
    objects = ElementTree.parse(folder / f"{name}.xml").getroot().iter("object")
    boxes = [[float(o.findtext(f"bndbox/{side}", "")) for side in ("xmin", "ymin", "xmax", "ymax")] for o in objects]
    with Image.open(folder / f"{name}.png") as image:
        return np.asarray(image.convert("RGB")), np.array(boxes)


def tiles(image: np.ndarray, trees: np.ndarray, step: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Cut all whole tiles, `step` pixels apart, with their boxes."""
    height, width = image.shape[:2]
    corners = [(x, y) for y in range(0, height - SIZE + 1, step) for x in range(0, width - SIZE + 1, step)]
    return [tile(image, trees, *corner) for corner in corners]


def tile(image: np.ndarray, trees: np.ndarray, left: int, top: int) -> tuple[np.ndarray, np.ndarray]:
    """Cut a tile out, with the boxes in it cut at its edges."""
    moved = trees - [left, top, left, top]
    cut = moved.clip(0, SIZE)
    shown = _areas(cut) >= SHOWN * _areas(moved)
    return image[top : top + SIZE, left : left + SIZE], cut[shown]


def turned(image: np.ndarray, boxes: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Mirror a tile and exchange its axes at random: one of the eight symmetries of a square."""
    mirror, exchange = rng.integers(2, size=2), rng.integers(2)
    x1, y1, x2, y2 = boxes.T
    if mirror[0]:
        image, x1, x2 = image[:, ::-1], SIZE - x2, SIZE - x1
    if mirror[1]:
        image, y1, y2 = image[::-1], SIZE - y2, SIZE - y1
    if exchange:
        return image.transpose(1, 0, 2), np.stack([y1, x1, y2, x2], axis=1)
    return image, np.stack([x1, y1, x2, y2], axis=1)


def padded(boxes: np.ndarray) -> np.ndarray:
    """Pad boxes [n, 4] of class 0 to float32 [24, 5] with rows of -1."""
    rows = np.full((MOST, 5), -1, np.float32)
    rows[: len(boxes)] = np.column_stack([boxes, np.zeros(len(boxes))])
    return rows


def to_inputs(images: Tensor) -> tuple[Tensor]:
    """Convert bytes [batch, height, width, 3] to standardised float32 [batch, 3, height, width]."""
    return ((images.permute(0, 3, 1, 2).float() - MEAN) / STD,)


def augment(x: Tensor) -> tuple[Tensor]:
    """Change light and haze: draw contrast and brightness of each colour. Boxes stay where they are."""
    n = len(x)
    return (x * (0.5 + torch.rand(n, 1, 1, 1)) * (0.8 + 0.4 * torch.rand(n, 3, 1, 1)) + 0.5 * torch.randn(n, 3, 1, 1),)


def _areas(boxes: np.ndarray) -> np.ndarray:
    return np.prod((boxes[:, 2:] - boxes[:, :2]).clip(0), axis=1)
