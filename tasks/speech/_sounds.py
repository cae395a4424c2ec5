"""The base of the classifiers of short sounds: a small convolutional network over their spectra."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field
from pydantic.dataclasses import dataclass

from breakeven.task import Classification, TensorTask

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class SoundClassification(TensorTask, Classification):
    """Inputs float32 [batch, 1, bands, frames], standardised log-mel energies; logits [batch, classes]."""

    width: int = Field(16, ge=1, le=1024, description="channels of the first layer; each later layer has twice as many")

    domain: ClassVar[str] = "speech"
    label_smoothing: ClassVar[float] = 0.1
    strides: ClassVar[tuple[int | tuple[int, int], ...]] = (2, 2, 2, 2)  # of the layers
    places: ClassVar[int]  # bands times frames after the last layer

    def model(self) -> nn.Module:
        """See `Task`."""
        from torch import nn

        layers: list[nn.Module] = []
        channels = [1, *(self.width * 2**i for i in range(len(self.strides)))]
        for i, stride in enumerate(self.strides):
            layers += [nn.Conv2d(channels[i], channels[i + 1], 3, stride, padding=1, bias=False)]
            layers += [nn.BatchNorm2d(channels[i + 1]), nn.ReLU()]
        return nn.Sequential(
            *layers, nn.Flatten(), nn.Dropout(0.3), nn.Linear(channels[-1] * self.places, self.classes)
        )

    def student(self, width: float) -> nn.Module:
        """See `Task`."""
        return replace(self, width=max(1, round(width * self.width))).model()


def to_inputs(x: Tensor) -> tuple[Tensor]:
    """Convert features to single precision."""
    return (x.float(),)
