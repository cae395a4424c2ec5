"""Aerial trees: where in an aerial photograph are the crowns of trees?

Data: four aerial photographs (.1 m per pixel) with 951 boxes drawn by people, from the deepforest 2.1.0 package
(Weinstein et al., "DeepForest: A Python package for RGB deep learning tree crown delineation", Methods in Ecology and
Evolution, 2020; MIT; photographs by the National Ecological Observatory Network), in tiles of 128×128 pixels.
Split: the upper part of a photograph of Yellowstone and two smaller photographs are for training (2,372 overlapping
tiles, turned and mirrored). The lower part is for validation (68 tiles), another photograph of Yellowstone for testing
(72 tiles, 274 trees).
Model: a one-stage detector without anchors (FCOS, Tian et al., arXiv:1904.01355) on any timm backbone, trained from
scratch. The default is timm's smallest ResNet-D: mAP@.5 .18 on one kind of CPU and .13 on another, in 95 s.
Metric: mean average precision at an overlap of .5 (mAP@.5). Baseline: boxes of the mean size at the sixteen places of a
4×4 grid: .025.
Known limits: the photographs differ in light and haze. There are few trees, so intervals are wide. Trees at a tile's
edge are cut. Dead trees count as trees.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic.dataclasses import dataclass

from breakeven.data import PyPI, Source
from breakeven.task import Quality, Recipe, TensorData

from .._detection import Detection

DEEPFOREST = PyPI(
    "deepforest",
    "2.1.0",
    "8c2798d8e9be7f0004b194fe207b76c1d9fff6e711b3db67b9508dcd5d00ae54",
    "deepforest-2.1.0-py3-none-any.whl",
)


@dataclass(frozen=True)
class AerialTrees(Detection):
    """Inputs float32 [batch, 3, 128, 128], standardised; outputs [batch, 5, 16, 16], see `_detector`."""

    version: ClassVar[int] = 1
    title: ClassVar[str] = "Aerial trees"
    data_kind: ClassVar[Literal["recorded", "composed", "synthetic"]] = "recorded"
    licence: ClassVar[str] = "MIT (package)"
    archives: ClassVar[tuple[Source, ...]] = (DEEPFOREST,)
    classes: ClassVar[int] = 1
    quality: ClassVar[Quality] = Quality("map_50", "ratio", higher_is_better=True, target=0.15)
    recipe: ClassVar[Recipe] = Recipe(epochs=6, batch_size=32, learning_rate=0.005, weight_decay=0.05)

    def data(self) -> TensorData:
        """See `TensorTask`."""
        from .tiles import augment, build, to_inputs

        return TensorData(build, ("images",), "boxes", transform=to_inputs, augment=augment)
