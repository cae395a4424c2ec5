"""Spoken digits: which of the words zero to nine is said?

Data: synthetic: the words as eSpeak NG 1.52 (GPL-3+, in espeakng-loader 0.2.4) says them in 104 voice variants, two
accents and two speeds, 4,160 clips, each from a random time within .2 s on, in white noise 5 dB softer.
Split: by voice, those of one family (`steph2`, `steph3`) together: 63 variants train, 14 validate, 27 test.
Model: a convolutional network of four layers over 40 log-mel bands × 80 frames of 10 ms, trained from scratch.
Metric: top-1 accuracy, on voices that training has not heard. Baseline: logistic regression .791, a
multilayer perceptron .792; this network reaches .91 (.89 on the validation voices).
Known limits: one synthesiser speaks all the voices: no claim about people.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from breakeven.task import Quality, Recipe, Task

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torchmetrics import Metric

    from breakeven.data import Prepared
    from breakeven.datamodule import TensorDataModule


@dataclass(frozen=True)
class SpokenDigits(Task):
    """Inputs float32 [batch, 1, 40, 80], standardised log-mel energies; logits [batch, 10]."""

    width: int = Field(16, ge=1, le=1024, description="channels of the first layer; each later one has twice as many")

    version: ClassVar[int] = 1
    title: ClassVar[str] = "Spoken digits"
    domain: ClassVar[str] = "speech"
    data_kind: ClassVar[Literal["recorded", "composed", "synthetic"]] = "synthetic"
    licence: ClassVar[str] = "GPL-3+ (the synthesiser)"
    quality: ClassVar[Quality] = Quality("top1_accuracy", "ratio", higher_is_better=True, target=0.86)
    recipe: ClassVar[Recipe] = Recipe(epochs=20, batch_size=64, learning_rate=0.005, weight_decay=0.05)

    def prepare(self) -> str:
        """See `Task`."""
        return self._prepared().sha256

    def datamodule(self, seed: int) -> TensorDataModule:
        """See `Task`."""
        from breakeven.datamodule import TensorDataModule

        from .clips import augment

        x = self._prepared().load()
        parts = [((x[f"{part}_features"],), x[f"{part}_labels"]) for part in ("train", "val", "test")]
        return TensorDataModule(*parts, batch_size=self.recipe.batch_size, seed=seed, augment=augment)

    def model(self) -> nn.Module:
        """See `Task`."""
        from torch import nn

        layers: list[nn.Module] = []
        channels = [1, *(self.width * 2**i for i in range(4))]
        for i, stride in enumerate([(2, 1), 2, 2, 2]):  # keep time fine at first: bursts last a few frames
            layers += [nn.Conv2d(channels[i], channels[i + 1], 3, stride, padding=1, bias=False)]
            layers += [nn.BatchNorm2d(channels[i + 1]), nn.ReLU()]
        return nn.Sequential(*layers, nn.Flatten(), nn.Dropout(0.3), nn.Linear(channels[-1] * 3 * 10, 10))

    def student(self, width: float) -> nn.Module:
        """See `Task`."""
        return replace(self, width=max(1, round(width * self.width))).model()

    def loss(self, outputs: Tensor, target: Tensor) -> Tensor:
        """Cross entropy [nats], against labels smoothed by .1."""
        from torch.nn.functional import cross_entropy

        return cross_entropy(outputs, target, label_smoothing=0.1)

    def metric(self) -> Metric:
        """See `Task`."""
        from torchmetrics.classification import MulticlassAccuracy

        return MulticlassAccuracy(num_classes=10, average="micro")

    def example_inputs(self, batch_size: int) -> tuple[Tensor, ...]:
        """See `Task`."""
        return (self._prepared().load()["test_features"][:batch_size],)

    def _prepared(self) -> Prepared:
        from breakeven.data import prepared

        from .clips import build

        return prepared(f"spoken_digits-v{self.version}", build)
