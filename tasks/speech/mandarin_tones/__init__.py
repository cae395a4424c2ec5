"""Mandarin tones: which of the four tones does a spoken syllable have?

Data: 2,334 clips (median .32 s) of 1,187 syllables with tone, by two speakers, from Debian's gcin-voice, its 24 clips
in the neutral tone left out. Licences: GPL-3/LGPL-3 (speaker 3), CC-BY-3 (speaker 5): fetched, never redistributed.
Split: by syllable, 240 test, 120 validation, the rest training, both speakers together, the same for every seed.
Model: a convolutional network of four layers, trained from scratch, over 64 frames of 48 log-mel bands below 1.5 kHz,
from windows of 40 ms: fine enough to see the harmonics of a voice move.
Metric: top-1 accuracy. Baseline: logistic regression .938, a multilayer perceptron .921.
Known limits: a held-out syllable's other tones, and both voices, occur in training: no claim of speaker independence.
This network reaches .98: few errors are left by which methods could differ.
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
class MandarinTones(Task):
    """Inputs float32 [batch, 1, 48, 64], standardised log-mel energies; logits [batch, 4]."""

    width: int = Field(16, ge=1, le=1024, description="channels of the first layer; each later one has twice as many")

    version: ClassVar[int] = 1
    title: ClassVar[str] = "Mandarin tones"
    domain: ClassVar[str] = "speech"
    data_kind: ClassVar[Literal["recorded", "composed", "synthetic"]] = "recorded"
    licence: ClassVar[str] = "GPL-3/LGPL-3 (speaker 3), CC-BY-3 (speaker 5)"
    quality: ClassVar[Quality] = Quality("top1_accuracy", "ratio", higher_is_better=True, target=0.95)
    recipe: ClassVar[Recipe] = Recipe(epochs=10, batch_size=64, learning_rate=0.005, weight_decay=0.05)

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
        for i in range(4):
            layers += [nn.Conv2d(channels[i], channels[i + 1], 3, 2, padding=1, bias=False)]
            layers += [nn.BatchNorm2d(channels[i + 1]), nn.ReLU()]
        return nn.Sequential(*layers, nn.Flatten(), nn.Dropout(0.3), nn.Linear(channels[-1] * 3 * 4, 4))

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

        return MulticlassAccuracy(num_classes=4, average="micro")

    def example_inputs(self, batch_size: int) -> tuple[Tensor, ...]:
        """See `Task`."""
        return (self._prepared().load()["test_features"][:batch_size],)

    def _prepared(self) -> Prepared:
        from breakeven.data import prepared

        from .clips import build

        return prepared(f"mandarin_tones-v{self.version}", build)
