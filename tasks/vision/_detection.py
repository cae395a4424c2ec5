"""The base of detection tasks: a one-stage detector on a timm backbone, see `_detector`."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field
from pydantic.dataclasses import dataclass

from breakeven.task import TensorTask

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torchmetrics import Metric


@dataclass(frozen=True)
class Detection(TensorTask):
    """Inputs float32 [batch, 3, side, side], standardised; outputs [batch, classes + 4, side / 8, side / 8].

    The target is float32 [batch, most, 5], boxes as `_detector` describes them.
    """

    backbone: str = Field("test_resnet", description="the name of a timm model with features at five scales")

    domain: ClassVar[str] = "vision"

    @property
    def classes(self) -> int:
        """The number of classes. A class attribute, or a property where parameters change it."""
        raise AttributeError(f"{type(self).__name__} defines no `classes`")

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
        """Focal and generalised-IoU loss per object, the mean over the images."""
        from ._detector import loss

        return loss(outputs, target)

    def metric(self) -> Metric:
        """See `Task`."""
        from ._detector import Precision

        return Precision()
