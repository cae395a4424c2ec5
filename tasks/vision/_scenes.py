"""Composes scenes of recorded parts: tinted garments of Fashion-MNIST on photographs that come with scikit-image.

Training, validation and test scenes share neither a garment nor a photograph. The few photographs are recoloured and
turned for training. Otherwise a model learns them by heart and takes any other background for a garment. A garment's
mask covers pixels brighter than 8 of 255, with holes filled. Masks and boxes cover the visible pixels only. Importing
this module imports neither torch nor scipy.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from breakeven.data import PyPI, obtain
from breakeven.task import Part

from ._garments import published, split

if TYPE_CHECKING:
    from PIL import Image

SCIKIT_IMAGE = PyPI(
    "scikit-image",
    "0.26.0",
    "74aa5518ccea28121f57a95374581d3b979839adc25bb03f289b1bc9b99c58af",
    "scikit_image-0.26.0-cp311-cp311-manylinux_2_24_x86_64.manylinux_2_28_x86_64.whl",
)
PHOTOGRAPHS = {
    "train": (
        *("astronaut.png", "brick.png", "cell.png", "coffee.png", "coins.png", "grass.png", "hubble_deep_field.jpg"),
        *("ihc.png", "motorcycle_left.png", "page.png", "retina.jpg", "text.png"),
    ),
    "val": ("clock_motion.png", "moon.png", "rocket.jpg"),
    "test": ("camera.png", "chelsea.png", "gravel.png"),
}
GARMENTS = 10  # classes
SIDES = (24, 56)  # pixels; the smallest and largest side of a garment's square image
FAINTEST = 8  # of 255; a garment's pixels are brighter
TINT = (0.4, 1.0)  # the range of the factors on a garment's red, green and blue
HIDDEN = 1 / 3  # the largest hidden share of a garment
TRIES = 50  # places tried for a garment before it is left out; the first garment of a scene always fits


class Scenes(NamedTuple):
    """Scenes and their garments, which lie one above the other; the first lies lowest."""

    images: np.ndarray  # uint8 [n, size, size, 3]
    masks: np.ndarray  # uint8 [n, size, size]: 0 background, 1 to 10 garment class + 1
    boxes: (
        np.ndarray
    )  # float32 [n, most, 5]: x1, y1, x2, y2 in pixels, and class 0 to 9; rows of -1 follow the last box
    labels: np.ndarray  # int64 [n]: the class of the first garment


def compose(part: Part, n: int, objects: tuple[int, int], seed: int, size: int = 96) -> Scenes:
    """Compose `n` scenes of `size` × `size` pixels. Equal arguments give equal scenes.

    Args:
        objects: the smallest and the largest number of garments in a scene.
    """
    rng = np.random.default_rng([seed, list(PHOTOGRAPHS).index(part)])
    garments = split(published())
    pictures, classes = garments[f"{part}_images"], garments[f"{part}_labels"]
    behind = photographs(obtain(SCIKIT_IMAGE) / "skimage" / "data", PHOTOGRAPHS[part])
    scenes = Scenes(
        images=np.empty((n, size, size, 3), np.uint8),
        masks=np.empty((n, size, size), np.uint8),
        boxes=np.full((n, objects[1], 5), -1, np.float32),
        labels=np.empty(n, np.int64),
    )
    for i in range(n):
        chosen = rng.integers(len(pictures), size=rng.integers(objects[0], objects[1] + 1))
        scene = background(behind, size, rng)
        scene = recoloured(scene, rng) if part == "train" else scene
        owner, placed = paste(scene, pictures[chosen], rng)
        shown = classes[chosen[placed]]
        scenes.images[i], scenes.masks[i], scenes.labels[i] = scene.round(), np.append(0, shown + 1)[owner], shown[0]
        scenes.boxes[i, : len(shown)] = np.column_stack([boxes(owner, len(shown)), shown])
    return scenes


def photographs(folder: Path, names: Sequence[str]) -> list[Image.Image]:
    """Open image files in red, green and blue."""
    from PIL import Image

    return [Image.open(folder / name).convert("RGB") for name in names]


def background(behind: list[Image.Image], size: int, rng: np.random.Generator) -> np.ndarray:
    """Cut a random square out of a random photograph, float32 [size, size, 3] in 0..255, and mirror it at random."""
    from PIL import Image

    photograph = behind[rng.integers(len(behind))]
    side = int(rng.integers(size, min(photograph.size) + 1))
    left, top = (int(rng.integers(length - side + 1)) for length in photograph.size)
    square = photograph.resize((size, size), Image.Resampling.BILINEAR, (left, top, left + side, top + side))
    return np.asarray(square, np.float32)[:, :: rng.choice([-1, 1])].copy()


def recoloured(scene: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Turn a background by a random right angle, exchange its colours, and change its brightness and contrast."""
    turned = np.rot90(scene, int(rng.integers(4)))[..., rng.permutation(3)]
    contrast, centre = rng.uniform(0.4, 1.4, size=3), rng.uniform(40, 215, size=3)
    return np.clip((turned - turned.mean((0, 1))) * contrast + centre, 0, 255).astype(np.float32)


def paste(scene: np.ndarray, pictures: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, list[int]]:
    """Paste garments onto a scene, in place.

    Returns:
        The number of the garment that is visible at each pixel, int64 [size, size]: 0 for none, else its place among
        the pasted garments, from 1. And the indices of the pictures that were pasted.
    """
    owner, areas = np.zeros(scene.shape[:2], np.int64), np.empty(0)
    placed: list[int] = []
    for which, picture in enumerate(pictures):
        side = min(int(rng.integers(SIDES[0], SIDES[1] + 1)), len(scene))
        brightness, opacity = resized(picture, side)
        tint = rng.uniform(*TINT, size=3).astype(np.float32)
        for top, left in rng.integers(len(scene) - side + 1, size=(TRIES, 2)):
            window = np.s_[top : top + side, left : left + side]
            tried = owner.copy()
            tried[window][opacity >= 0.5] = len(placed) + 1
            visible = np.bincount(tried.ravel(), minlength=len(placed) + 2)[1:]
            if (visible[:-1] >= (1 - HIDDEN) * areas).all():
                scene[window] += opacity[..., None] * (brightness[..., None] * tint - scene[window])
                owner, areas = tried, np.append(areas, visible[-1])
                placed.append(which)
                break
    return owner, placed


def resized(picture: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Resize a garment: its brightness in 0..255 and its opacity in 0..1, both float32 [side, side]."""
    from PIL import Image
    from scipy.ndimage import binary_fill_holes

    mask = binary_fill_holes(picture > FAINTEST)
    layers = [Image.fromarray(layer.astype(np.float32)) for layer in (picture, mask)]
    brightness, opacity = (np.asarray(layer.resize((side, side), Image.Resampling.BILINEAR)) for layer in layers)
    return brightness, opacity


def boxes(owner: np.ndarray, garments: int) -> np.ndarray:
    """The boxes of the visible pixels of each garment, [garments, 4]: x1, y1, x2, y2 in pixels."""
    found = np.empty((garments, 4), np.float32)
    for garment in range(garments):
        rows, columns = np.nonzero(owner == garment + 1)
        found[garment] = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
    return found
