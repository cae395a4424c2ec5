"""CIFAR-10: which of ten animals and vehicles does a small colour picture show?

Data: 60,000 photographs of 32×32 pixels, labelled by hand (Krizhevsky, "Learning Multiple Layers of Features from Tiny
Images", 2009), no licence stated; downloaded from the author's page, or given by hand.
Split: the published 10,000 for testing; of the published 50,000 for training, 45,000 train and 5,000 validation, the
same for every seed. Training pictures are mirrored and shifted by up to 4 pixels.
Model: any of timm's or a plain CNN, trained from scratch; the default is ResNet-18 (He et al., arXiv:1512.03385).
Metric: top-1 accuracy. Baseline: not measured here.
Published: .912 by the 0.27 million weights of ResNet-20, made for pictures of this size (He et al.).
Known limits: not trained here, for the project's machines reach no download: recipe and target are untested. Networks
made for 224×224 are down to 1×1 after their last stage, and stay behind those made for 32×32.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from breakeven.components.image_classification import ImageClassification
from breakeven.task import Quality, Recipe

if TYPE_CHECKING:
    from torch import Tensor

    from breakeven.data import Prepared
    from breakeven.data.loaders import TensorDataModule


@dataclass(frozen=True)
class CIFAR10(ImageClassification):
    """Inputs float32 [batch, 3, 32, 32], standardised; logits [batch, 10]."""

    network: str = Field("resnet18", description="plain_cnn, or any model of timm, by its name")

    version: ClassVar[int] = 1
    title: ClassVar[str] = "CIFAR-10"
    domain: ClassVar[str] = "vision"
    data_kind: ClassVar[Literal["recorded", "composed", "synthetic"]] = "recorded"
    licence: ClassVar[str] = "none stated: fetched, not redistributed"
    classes: ClassVar[int] = 10
    channels: ClassVar[int] = 3
    size: ClassVar[int] = 32
    quality: ClassVar[Quality] = Quality("top1_accuracy", "ratio", higher_is_better=True, target=0.80)
    recipe: ClassVar[Recipe] = Recipe(epochs=20, batch_size=128, learning_rate=0.002, weight_decay=0.05)

    def datamodule(self, seed: int) -> TensorDataModule:
        """See `Task`."""
        from breakeven.data.loaders import TensorDataModule

        from .pictures import augment, to_inputs

        x = self._prepared().load()
        parts = [((x[f"{part}_images"],), x[f"{part}_labels"]) for part in ("train", "val", "test")]
        size = self.recipe.batch_size
        return TensorDataModule(*parts, batch_size=size, seed=seed, transform=to_inputs, augment=augment)

    def example_inputs(self, batch_size: int) -> tuple[Tensor, ...]:
        """See `Task`."""
        from .pictures import to_inputs

        return to_inputs(self._prepared().load()["test_images"][:batch_size])

    def _prepared(self) -> Prepared:
        from breakeven.data import prepared

        from .pictures import build

        return prepared(f"cifar10-v{self.version}", build)
