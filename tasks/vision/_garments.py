"""Obtains, reads and splits Fashion-MNIST's files, for all tasks that show garments. No torch at import."""

from __future__ import annotations

import gzip
import tempfile
from pathlib import Path

import numpy as np

from breakeven.data import Debian, Unavailable, cache, obtain

FASHION_MNIST = Debian(
    name="dataset-fashion-mnist",
    version="0.0~git20200523.55506a9-1",
    sha256="39e172fe32dd318ebb3e512220c3beea2fa47d7e20bab348fb4e0922d6beefc0",
    filename="dataset-fashion-mnist_0.0~git20200523.55506a9-1_all.deb",
    data="usr/share/datasets/fashion-mnist",
    data_sha256="dc92822c890200774b85639862da9b7a0ff28cd78cfc1f42904fdbbc5c70591b",
)
VALIDATION = 5_000  # images


def published() -> Path:
    """Obtain the folder with the four published files.

    Raises:
        Unavailable: neither Debian's package nor torchvision's download can be obtained.
    """
    try:
        return obtain(FASHION_MNIST) / FASHION_MNIST.data
    except Unavailable as unavailable:
        from torchvision.datasets import FashionMNIST

        try:
            return Path(FashionMNIST(cache() / "torchvision", download=True).raw_folder)
        except (RuntimeError, OSError):
            raise unavailable from None


def split(folder: Path, validation: int = VALIDATION) -> dict[str, np.ndarray]:
    """Make images uint8 [n, 28, 28] and labels int64 [n] of each part, from the four files, gzipped or not."""
    images, labels = read_idx(folder, "train-images-idx3-ubyte"), read_idx(folder, "train-labels-idx1-ubyte")
    val, train = np.split(np.random.default_rng(0).permutation(len(images)), [validation])
    return {
        "train_images": images[train],
        "train_labels": labels[train].astype(np.int64),
        "val_images": images[val],
        "val_labels": labels[val].astype(np.int64),
        "test_images": read_idx(folder, "t10k-images-idx3-ubyte"),
        "test_labels": read_idx(folder, "t10k-labels-idx1-ubyte").astype(np.int64),
    }


def read_idx(folder: Path, name: str) -> np.ndarray:
    """Read the array in an IDX file, gzipped or not, by torchvision's reader, which needs an unpacked file."""
    from torchvision.datasets.mnist import read_sn3_pascalvincent_tensor

    packed = folder / f"{name}.gz"
    with tempfile.NamedTemporaryFile() as file:
        file.write(gzip.decompress(packed.read_bytes()) if packed.exists() else (folder / name).read_bytes())
        file.flush()
        return read_sn3_pascalvincent_tensor(file.name).numpy()
