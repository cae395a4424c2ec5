"""Reads images with boxes, and makes the model's inputs of them."""

from __future__ import annotations

from typing import cast

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from breakeven.data.loaders import Batch

from .._pictures import Pictures
from .annotations import folder

MEAN, STD = (123.7, 116.3, 103.5), (58.4, 57.1, 57.4)  # of ImageNet's pixels, as in the training of timm's weights
GREY = tuple(round(colour) for colour in MEAN)


def samples(prepared: dict[str, Tensor], part: str, side: int) -> Batch:
    """Images uint8 [n, side, side, 3], read when they are indexed, and boxes [n, most, 5] in their pixels."""
    names = prepared[f"{part}_files"].numpy()
    paths = [path.decode() for path in names.view(f"S{names.shape[1]}").ravel().tolist()]
    boxes = prepared[f"{part}_boxes"]
    scaled = torch.where(boxes[..., 4:] < 0, boxes, boxes * torch.tensor([side] * 4 + [1]))
    files = [str(folder() / path) for path in paths]
    return (cast(Tensor, Pictures(files, lambda picture: boxed(picture, side))),), scaled


def boxed(picture: Image.Image, side: int) -> Tensor:
    """Resize an image's longer side to `side`, and put it at the upper left of a grey square, uint8 [side, side, 3]."""
    square = Image.new("RGB", (side, side), GREY)
    square.paste(ImageOps.contain(picture, (side, side)))
    return torch.from_numpy(np.array(square))


def to_inputs(images: Tensor) -> tuple[Tensor]:
    """Convert bytes [batch, height, width, 3] to standardised float32 [batch, 3, height, width]."""
    mean, std = (torch.tensor(of).view(3, 1, 1) for of in (MEAN, STD))
    return ((images.permute(0, 3, 1, 2).float() - mean) / std,)


def augment(x: Tensor) -> tuple[Tensor]:
    """Change brightness and contrast. Boxes stay where they are."""
    n = len(x)
    return (x * (0.8 + 0.4 * torch.rand(n, 1, 1, 1)) + 0.2 * torch.randn(n, 1, 1, 1),)
