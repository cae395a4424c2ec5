"""Makes the parts of Fashion-MNIST, and the model's inputs of them."""

from __future__ import annotations

import numpy as np
from torch import Tensor
from torch.nn.functional import pad

from .._garments import published, split

MEAN, STD = 0.286, 0.353  # of the training pixels, in 0..1


def build() -> dict[str, np.ndarray]:
    """Make images uint8 [n, 28, 28] and labels int64 [n] of each part.

    Raises:
        Unavailable: neither Debian's package nor torchvision's download can be obtained.
    """
    return split(published())


def to_inputs(images: Tensor) -> tuple[Tensor]:
    """Convert bytes [batch, 28, 28] to standardised float32 [batch, 1, 32, 32], padded with black."""
    return (pad(images.unsqueeze(1), (2, 2, 2, 2)).float().div_(255).sub_(MEAN).div_(STD),)
