"""Fashion-MNIST's pictures: their parts, and what a model gets to see."""

from __future__ import annotations

import numpy as np
from torch import Tensor
from torch.nn.functional import pad

from .._garments import published, split

MEAN, STD = 0.286, 0.353  # of the training pixels, in 0..1


def build() -> dict[str, np.ndarray]:
    """Images uint8 [n, 28, 28] and labels int64 [n] of each part.

    Raises:
        Unavailable: neither Debian's package nor torchvision's download can be had.
    """
    return split(published())


def to_inputs(images: Tensor) -> tuple[Tensor]:
    """Bytes [batch, 28, 28] to float32 [batch, 1, 32, 32]: padded with black, standardised."""
    return (pad(images.unsqueeze(1), (2, 2, 2, 2)).float().div_(255).sub_(MEAN).div_(STD),)
