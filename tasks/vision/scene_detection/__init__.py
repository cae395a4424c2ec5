"""Scene detection: where in a small picture are garments, and of which ten kinds?

Data: 5,400 scenes of 96×96 pixels composed of recorded parts: one to three garments of Fashion-MNIST (Xiao, Rasul and
Vollgraf, 2017; MIT licence), 24 to 56 pixels wide and tinted, on photographs that come with scikit-image 0.26.0 (van
der Walt et al., "scikit-image: image processing in Python", PeerJ 2:e453, 2014; BSD-3).
Split: 5,000 train, 200 validation, 200 test, the same for every seed; they share neither a garment nor a photograph.
Model: a one-stage detector without anchors (FCOS, Tian et al., arXiv:1904.01355) on any of timm's backbones, trained
from scratch; the default is timm's smallest ResNet-D: mAP@.5 .43 in 59 s.
Metric: mean average precision where boxes overlap by half (mAP@.5). Baseline: boxes of the mean size
at the sixteen places of a 4×4 grid, each class as likely as it is there in training: .002.
Known limits: garments are pasted, not photographed where they lie; boxes are of what shows of them.
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

CLASSES = 10


@dataclass(frozen=True)
class SceneDetection(Task):
    """Inputs float32 [batch, 3, 96, 96], standardised; outputs [batch, 14, 12, 12], see `_detector`."""

    backbone: str = Field("test_resnet", description="any of timm's with features at five scales, by its name")

    version: ClassVar[int] = 1
    title: ClassVar[str] = "Scene detection"
    domain: ClassVar[str] = "vision"
    data_kind: ClassVar[Literal["recorded", "composed", "synthetic"]] = "composed"
    licence: ClassVar[str] = "MIT (garments), BSD-3 (photographs)"
    quality: ClassVar[Quality] = Quality("map_50", "ratio", higher_is_better=True, target=0.40)
    recipe: ClassVar[Recipe] = Recipe(epochs=4, batch_size=32, learning_rate=0.005, weight_decay=0.05)

    def prepare(self) -> str:
        """See `Task`."""
        return self._prepared().sha256

    def datamodule(self, seed: int) -> TensorDataModule:
        """See `Task`."""
        from breakeven.datamodule import TensorDataModule

        from .pictures import augment, to_inputs

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
            raise UserError(f"scene_detection: timm has no model '{self.backbone}': see timm.list_models()")
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
        from .pictures import to_inputs

        return to_inputs(self._prepared().load()["test_images"][:batch_size])

    def _prepared(self) -> Prepared:
        from breakeven.data import prepared

        from .pictures import build

        return prepared(f"scene_detection-v{self.version}", build)
