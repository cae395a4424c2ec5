"""Patches of an averaged brain, with the tissue at their centre."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from nibabel import load
from torch import Tensor, randn_like

from breakeven.data import PyPI, obtain

NILEARN = PyPI(
    "nilearn",
    "0.14.1",
    "725206484e9fb3f6691f9c2d20204a068759d5072f12055324702ee0cb2bbe8a",
    "nilearn-0.14.1-py3-none-any.whl",
)
SLICES = {"train": range(20, 131), "val": range(135, 146), "test": range(150, 211)}  # y of coronal slices [mm]
COUNTS = {"train": 3000, "val": 300, "test": 600}  # patches of each tissue
SIZE = 28  # mm, and voxels
SURE = 0.3  # of a map's largest value: above it, the likelier of grey and white matter is the tissue
NOISE = 0.2  # standard deviation, of the brightest voxel
MEAN, STD = 0.59, 0.35  # of the training patches with their noise


def build() -> dict[str, np.ndarray]:
    """Patches float32 [n, 1, SIZE, SIZE], standardised, and tissues int64 [n]; for training without noise."""
    folder = obtain(NILEARN) / "nilearn" / "datasets" / "data"
    brain, grey, white = (volume(folder, name) for name in ("t1", "gm", "wm"))
    return patches(brain, tissues(brain, grey, white), COUNTS)


def volume(folder: Path, name: str) -> np.ndarray:
    """One of the template's images, float32 [x, y, z] in 0..1."""
    voxels = np.asarray(load(folder / f"mni_icbm152_{name}_tal_nlin_sym_09a_converted.nii.gz").dataobj, np.float32)
    return voxels / voxels.max()


def tissues(brain: np.ndarray, grey: np.ndarray, white: np.ndarray) -> np.ndarray:
    """-1 outside the brain, 0 other, 1 grey matter, 2 white matter: int64 [x, y, z]."""
    maps = np.stack([grey, white])
    inside = np.where(maps.max(0) > SURE, 1 + maps.argmax(0), 0)
    return np.where(brain > 0, inside, -1)


def patches(brain: np.ndarray, labels: np.ndarray, counts: dict[str, int]) -> dict[str, np.ndarray]:
    """As many patches of each tissue, their centres drawn without repetition from a part's slices."""
    rng, half = np.random.default_rng(0), SIZE // 2
    windows = np.lib.stride_tricks.sliding_window_view(brain, (SIZE, SIZE), axis=(0, 2))  # [x, y, z, SIZE, SIZE]
    centres = labels[half : half + windows.shape[0], :, half : half + windows.shape[2]]
    arrays: dict[str, np.ndarray] = {}
    for part, count in counts.items():
        first, last = SLICES[part][0], SLICES[part][-1]
        found = [np.argwhere(centres[:, first : last + 1] == tissue) for tissue in range(3)]
        x, y, z = np.concatenate([rng.choice(at, count, replace=False) for at in found]).T
        order = rng.permutation(len(x))
        seen = windows[x, y + first, z][order, None]
        noise = 0.0 if part == "train" else rng.normal(0, NOISE, seen.shape)
        arrays[f"{part}_patches"] = ((seen + noise - MEAN) / STD).astype(np.float32)
        arrays[f"{part}_tissues"] = np.repeat(np.arange(3), count)[order]
    return arrays


def augment(x: Tensor) -> tuple[Tensor]:
    """Another noise in every batch, as strong as that of the test patches."""
    return (x + NOISE / STD * randn_like(x),)
