"""MedMNIST."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

TEXT = "medmnist-dataset=bloodmnist-network=test_resnet"
COUNTS = {"train": 320, "val": 64, "test": 96}


def supply(folder: Path, patch: pytest.MonkeyPatch, name: str = "bloodmnist") -> Path:
    """A set's file in the cache's folder for downloads, of its channels and classes."""
    from breakeven.plugins.tasks.medical.medmnist.sets import SETS

    path = write(folder / "downloads" / f"{name}.npz", SETS[name].channels, SETS[name].classes)
    patch.setenv("BREAKEVEN_CACHE", str(folder))
    patch.setitem(SETS, name, replace(SETS[name], md5=hashlib.md5(path.read_bytes()).hexdigest()))
    return path


def write(path: Path, channels: int, classes: int, counts: dict[str, int] = COUNTS) -> Path:
    """Its file of six arrays: the brighter a picture, the higher its label."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draw, arrays = np.random.default_rng(0), {}
    for part, n in counts.items():
        labels = draw.permutation(n).astype(np.uint8) % classes
        noise = draw.integers(0, 90, (n, 28, 28, 3) if channels == 3 else (n, 28, 28), dtype=np.uint8)
        arrays[f"{part}_images"] = noise + (15 * labels).reshape(-1, *[1] * (noise.ndim - 1))
        arrays[f"{part}_labels"] = labels[:, None]
    np.savez_compressed(path, **arrays)
    return path
