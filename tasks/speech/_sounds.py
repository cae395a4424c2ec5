"""What the classifiers of short sounds share: a small convolutional network over their spectra."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from types import ModuleType
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field
from pydantic.dataclasses import dataclass

from breakeven.task import Classification

if TYPE_CHECKING:
    from torch import Tensor, nn

    from breakeven.data.loaders import TensorDataModule


@dataclass(frozen=True)
class SoundClassification(Classification):
    """Inputs float32 [batch, 1, bands, frames], standardised log-mel energies; logits [batch, classes]."""

    width: int = Field(16, ge=1, le=1024, description="channels of the first layer; each later one has twice as many")

    domain: ClassVar[str] = "speech"
    label_smoothing: ClassVar[float] = 0.1
    strides: ClassVar[tuple[int | tuple[int, int], ...]] = (2, 2, 2, 2)  # of the layers
    places: ClassVar[int]  # bands times frames that the strides leave

    @abstractmethod
    def _clips(self) -> ModuleType:
        """The module that prepares the data and has its `augment`."""

    def datamodule(self, seed: int) -> TensorDataModule:
        """See `Task`."""
        from breakeven.data.loaders import TensorDataModule

        x, augment = self._prepared().load(), self._clips().augment
        parts = [((x[f"{part}_features"],), x[f"{part}_labels"]) for part in ("train", "val", "test")]
        how = {"transform": to_inputs, "augment": augment}
        return TensorDataModule(*parts, batch_size=self.recipe.batch_size, seed=seed, **how)

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

    def example_inputs(self, batch_size: int) -> tuple[Tensor, ...]:
        """See `Task`."""
        return to_inputs(self._prepared().load()["test_features"][:batch_size])


def to_inputs(x: Tensor) -> tuple[Tensor]:
    """Single precision, whatever features are kept in."""
    return (x.float(),)
