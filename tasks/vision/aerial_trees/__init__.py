"""Aerial trees: where in an aerial photograph are the crowns of trees?

Data: four aerial photographs, .1 m a pixel, with 951 boxes drawn by people, from the deepforest 2.1.0 package
(Weinstein et al., "DeepForest: A Python package for RGB deep learning tree crown delineation", Methods in Ecology and
Evolution, 2020; MIT; photographs by the National Ecological Observatory Network), in tiles of 128×128 pixels.
Split: the upper part of one photograph of Yellowstone and two smaller ones train (2,372 tiles, overlapping, turned and
mirrored), its lower part validates (68 tiles); another photograph of Yellowstone tests (72 tiles, 274 trees).
Model: a one-stage detector without anchors (FCOS, Tian et al., arXiv:1904.01355) on any of timm's backbones, trained
from scratch; the default is timm's smallest ResNet-D: mAP@.5 .18 in 95 s.
Metric: mean average precision where boxes overlap by half (mAP@.5). Baseline: boxes of the mean size
at the sixteen places of a 4×4 grid: .025.
Known limits: the photographs differ in light and haze, and there are few trees, so intervals are wide; trees at
a tile's edge are cut. Dead trees are trees.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from breakeven.errors import UserError
from breakeven.task import Quality, Recipe, Task

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torchmetrics import Metric

    from breakeven.data import Prepared
    from breakeven.datamodule import TensorDataModule

CLASSES = 1


@dataclass(frozen=True)
class AerialTrees(Task):
    """Inputs float32 [batch, 3, 128, 128], standardised; outputs [batch, 5, 16, 16], see `_detector`."""

    backbone: str = Field("test_resnet", description="any of timm's with features at five scales, by its name")

    version: ClassVar[int] = 1
    title: ClassVar[str] = "Aerial trees"
    domain: ClassVar[str] = "vision"
    data_kind: ClassVar[Literal["recorded", "composed", "synthetic"]] = "recorded"
    licence: ClassVar[str] = "MIT (package)"
    quality: ClassVar[Quality] = Quality("map_50", "ratio", higher_is_better=True, target=0.15)
    recipe: ClassVar[Recipe] = Recipe(epochs=6, batch_size=32, learning_rate=0.005, weight_decay=0.05)

    def prepare(self) -> str:
        """See `Task`."""
        return self._prepared().sha256

    def datamodule(self, seed: int) -> TensorDataModule:
        """See `Task`."""
        from breakeven.datamodule import TensorDataModule

        from .tiles import augment, to_inputs

        x = self._prepared().load()
        parts = [((x[f"{part}_images"],), x[f"{part}_boxes"]) for part in ("train", "val", "test")]
        how = {"batch_size": self.recipe.batch_size, "seed": seed}
        return TensorDataModule(*parts, **how, transform=to_inputs, augment=augment)

    def model(self) -> nn.Module:
        """See `Task`.

        Raises:
            UserError: timm has no model of that name.
        """
        import timm

        from .._detector import Detector

        if not timm.is_model(self.backbone):
            raise UserError(f"aerial_trees: timm has no model '{self.backbone}': see timm.list_models()")
        return Detector(self.backbone, CLASSES)

    def loss(self, outputs: Tensor, target: Tensor) -> Tensor:
        """Focal and generalised-IoU loss, per object."""
        from .._detector import loss

        return loss(outputs, target)

    def metric(self) -> Metric:
        """See `Task`."""
        from .._detector import Precision

        return Precision()

    def example_inputs(self, batch_size: int) -> tuple[Tensor, ...]:
        """See `Task`."""
        from .tiles import to_inputs

        return to_inputs(self._prepared().load()["test_images"][:batch_size])

    def _prepared(self) -> Prepared:
        from breakeven.data import prepared

        from .tiles import build

        return prepared(f"aerial_trees-v{self.version}", build)
