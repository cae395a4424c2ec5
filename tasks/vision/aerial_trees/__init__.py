"""Aerial trees: where in an aerial photograph are the crowns of trees?

Data: four aerial photographs, .1 m a pixel, with 951 boxes drawn by people, from the deepforest 2.1.0 package
(Weinstein et al., "DeepForest: A Python package for RGB deep learning tree crown delineation", Methods in Ecology and
Evolution, 2020; MIT; photographs by the National Ecological Observatory Network), in tiles of 128×128 pixels.
Split: the upper part of one photograph of Yellowstone and two smaller ones train (2,372 tiles, overlapping, turned and
mirrored), its lower part validates (68 tiles); another photograph of Yellowstone tests (72 tiles, 274 trees).
Model: a one-stage detector without anchors (FCOS, Tian et al., arXiv:1904.01355) on any of timm's backbones, trained
from scratch; the default is timm's smallest ResNet-D: mAP@.5 .18 on one kind of CPU and .13 on another, in 95 s.
Metric: mean average precision where boxes overlap by half (mAP@.5). Baseline: boxes of the mean size
at the sixteen places of a 4×4 grid: .025.
Known limits: the photographs differ in light and haze, and there are few trees, so intervals are wide; trees at
a tile's edge are cut. Dead trees are trees.
"""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic.dataclasses import dataclass

from breakeven.task import Quality, Recipe

from .._detection import Detection

if TYPE_CHECKING:
    from breakeven.data import Prepared


@dataclass(frozen=True)
class AerialTrees(Detection):
    """Inputs float32 [batch, 3, 128, 128], standardised; outputs [batch, 5, 16, 16], see `_detector`."""

    version: ClassVar[int] = 1
    title: ClassVar[str] = "Aerial trees"
    data_kind: ClassVar[Literal["recorded", "composed", "synthetic"]] = "recorded"
    licence: ClassVar[str] = "MIT (package)"
    classes: ClassVar[int] = 1
    quality: ClassVar[Quality] = Quality("map_50", "ratio", higher_is_better=True, target=0.15)
    recipe: ClassVar[Recipe] = Recipe(epochs=6, batch_size=32, learning_rate=0.005, weight_decay=0.05)

    def _pictures(self) -> ModuleType:
        from . import tiles

        return tiles

    def _prepared(self) -> Prepared:
        from breakeven.data import prepared

        return prepared(f"aerial_trees-v{self.version}", self._pictures().build)
