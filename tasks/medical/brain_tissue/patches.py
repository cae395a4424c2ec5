"""Cuts patches out of an averaged brain and labels each with the tissue at its centre."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from nibabel import Nifti1Image
from torch import Tensor, randn_like

from breakeven.data import obtain

from . import NILEARN

SLICES = {"train": range(20, 131), "val": range(135, 146), "test": range(150, 211)}  # y of coronal slices [mm]
COUNTS = {"train": 3000, "val": 300, "test": 600}  # patches of each tissue
SIZE = 28  # voxels, each 1 mm wide
SURE = 0.3  # share of a map's largest value; above it, the more likely of grey and white matter is the label
NOISE = 0.2  # standard deviation, as a share of the brightest voxel
MEAN, STD = 0.59, 0.35  # of the training patches with their noise


def build() -> dict[str, np.ndarray]:
    """Make standardised patches float32 [n, 1, SIZE, SIZE] and tissues int64 [n] of each part.

    Training patches have no noise yet.
    """
    folder = obtain(NILEARN) / "nilearn" / "datasets" / "data"
    brain, grey, white = (volume(folder, name) for name in ("t1", "gm", "wm"))
    return patches(brain, tissues(brain, grey, white), COUNTS)


def volume(folder: Path, name: str) -> np.ndarray:
    """Read an image of the template, float32 [x, y, z] in 0..1."""
    image = Nifti1Image.from_filename(folder / f"mni_icbm152_{name}_tal_nlin_sym_09a_converted.nii.gz")
    voxels = np.asarray(image.dataobj, np.float32)
    return voxels / voxels.max()


def tissues(brain: np.ndarray, grey: np.ndarray, white: np.ndarray) -> np.ndarray:
    """Label each voxel, int64 [x, y, z]: -1 outside the brain, 0 other, 1 grey matter, 2 white matter."""
    maps = np.stack([grey, white])
    inside = np.where(maps.max(0) > SURE, 1 + maps.argmax(0), 0)
    return np.where(brain > 0, inside, -1)


def patches(brain: np.ndarray, labels: np.ndarray, counts: dict[str, int]) -> dict[str, np.ndarray]:
    """Cut equally many patches of each tissue; centres are drawn without repetition from the slices of a part."""
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
    """Add new noise to each batch, as strong as that of the test patches."""
    return (x + NOISE / STD * randn_like(x),)
