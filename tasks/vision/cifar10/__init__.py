"""CIFAR-10: which of ten animals and vehicles does a small colour image show?

Data: 60,000 photographs of 32×32 pixels, labelled by hand (Krizhevsky, "Learning Multiple Layers of Features from Tiny
Images", 2009), no licence stated; downloaded from the author's page, or given by hand.
Split: the published 10,000 test images. The published 50,000 training images are split into 45,000 train and 5,000
validation, the same for every seed. Training images are mirrored and shifted by up to 4 pixels.
Model: any model of timm or a plain CNN, trained from scratch; the default is ResNet-18 (He et al., arXiv:1512.03385).
Metric: top-1 accuracy. Baseline: not measured here.
Published: .912 by ResNet-20 with 0.27 million weights, made for images of this size (He et al.).
Known limits: not trained here, since the project's machines cannot download the data. Recipe and target are untested.
Networks made for 224×224 pixels reach 1×1 at their last stage, and are worse than networks made for 32×32.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from breakeven.components.image_classification import ImageClassification
from breakeven.task import Quality, Recipe, TensorData, TensorTask


@dataclass(frozen=True)
class CIFAR10(TensorTask, ImageClassification):
    """Inputs float32 [batch, 3, 32, 32], standardised; logits [batch, 10]."""

    network: str = Field("resnet18", description="the name of a timm model, or plain_cnn")

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

    def data(self) -> TensorData:
        """See `TensorTask`."""
        from .pictures import augment, build, to_inputs

        return TensorData(build, ("images",), "labels", transform=to_inputs, augment=augment)
