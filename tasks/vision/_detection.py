"""What the detection tasks share: a one-stage detector on a backbone of timm's, see `_detector`."""

from __future__ import annotations

from abc import abstractmethod
from types import ModuleType
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field
from pydantic.dataclasses import dataclass

from breakeven.task import Task

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torchmetrics import Metric

    from breakeven.data.loaders import Batch, TensorDataModule


@dataclass(frozen=True)
class Detection(Task):
    """Inputs float32 [batch, 3, side, side], standardised; outputs [batch, classes + 4, side / 8, side / 8]."""

    backbone: str = Field("test_resnet", description="any of timm's with features at five scales, by its name")

    domain: ClassVar[str] = "vision"
    classes: ClassVar[int]

    @abstractmethod
    def _pictures(self) -> ModuleType:
        """The module that prepares the data and has its `to_inputs` and `augment`."""

    def datamodule(self, seed: int) -> TensorDataModule:
        """See `Task`."""
        from breakeven.data.loaders import TensorDataModule

        pictures, parts = self._pictures(), [self._samples(part) for part in ("train", "val", "test")]
        how = {"batch_size": self.recipe.batch_size, "seed": seed}
        return TensorDataModule(*parts, **how, transform=pictures.to_inputs, augment=pictures.augment)

    def model(self) -> nn.Module:
        """See `Task`.

        Raises:
            UserError: timm has no model of that name.
        """
        from breakeven.components.image_networks import require_timm

        from ._detector import Detector

        require_timm(self.backbone)
        return Detector(self.backbone, self.classes)

    def loss(self, outputs: Tensor, target: Tensor) -> Tensor:
        """Focal and generalised-IoU loss, per object."""
        from ._detector import loss

        return loss(outputs, target)

    def metric(self) -> Metric:
        """See `Task`."""
        from ._detector import Precision

        return Precision()

    def example_inputs(self, batch_size: int) -> tuple[Tensor, ...]:
        """See `Task`."""
        (images,), boxes = self._samples("test")
        return self._pictures().to_inputs(images[range(len(boxes))[:batch_size]])

    def _samples(self, part: str) -> Batch:
        """Pictures uint8 [n, height, width, 3], read by now or not, and boxes float32 [n, most, 5], see `_detector`."""
        x = self._prepared().load()
        return (x[f"{part}_images"],), x[f"{part}_boxes"]
