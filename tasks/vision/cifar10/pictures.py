"""Reads CIFAR-10's images, splits them and makes the model's inputs of them."""

from __future__ import annotations

import tarfile
from typing import IO, cast

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from breakeven.data.published import Published

ARCHIVE = Published(  # not the Python version, whose files are pickles
    "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz", "md5:c32a1d4ab5d03f1284b67883e8d87530"
)
TRAINING = [f"data_batch_{i}.bin" for i in range(1, 6)]
TESTING = ["test_batch.bin"]
SHAPE = 3, 32, 32  # colours, height, width
VALIDATION = 10  # one of so many published training images is for validation
MEAN, STD = (0.491, 0.482, 0.447), (0.247, 0.243, 0.262)  # of the training pixels in 0..1, as widely published
SHIFT = 4  # pixels


def build() -> dict[str, np.ndarray]:
    """Make images uint8 [n, 3, 32, 32] and labels int64 [n] of each part.

    Raises:
        Unavailable: the archive can neither be found nor downloaded.
    """
    with tarfile.open(ARCHIVE.path()) as archive:
        (images, labels), (test_images, test_labels) = read(archive, TRAINING), read(archive, TESTING)
    val, train = np.split(np.random.default_rng(0).permutation(len(images)), [len(images) // VALIDATION])
    return {
        "train_images": images[train],
        "train_labels": labels[train],
        "val_images": images[val],
        "val_labels": labels[val],
        "test_images": test_images,
        "test_labels": test_labels,
    }


def read(archive: tarfile.TarFile, names: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Read images and labels from files of records: a byte with the label, then red, green and blue pixels by rows."""
    content = b"".join(cast(IO[bytes], archive.extractfile(f"cifar-10-batches-bin/{name}")).read() for name in names)
    records = np.frombuffer(content, np.uint8).reshape(-1, 1 + np.prod(SHAPE))
    return records[:, 1:].reshape(-1, *SHAPE), records[:, 0].astype(np.int64)


def to_inputs(images: Tensor) -> tuple[Tensor]:
    """Convert bytes to float32, standardised by colour."""
    mean, std = (torch.tensor(of).view(3, 1, 1) for of in (MEAN, STD))
    return (images.float().div_(255).sub_(mean).div_(std),)


def augment(x: Tensor) -> tuple[Tensor]:
    """Mirror half of the images, and shift each by up to SHIFT pixels; the new pixels at the edge are grey."""
    n, _, height, width = x.shape
    x = torch.where(torch.rand(n, 1, 1, 1) < 0.5, x, x.flip(3))
    down, right = torch.randint(2 * SHIFT + 1, (2, n, 1))
    rows, columns = down + torch.arange(height), right + torch.arange(width)
    padded = pad(x, (SHIFT,) * 4).permute(0, 2, 3, 1)  # colours last, so that one look-up takes whole pixels
    shifted = padded[torch.arange(n).view(-1, 1, 1), rows.unsqueeze(2), columns.unsqueeze(1)]
    return (shifted.permute(0, 3, 1, 2).contiguous(),)
