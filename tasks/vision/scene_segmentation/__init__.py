"""Scene segmentation: which pixels of a small picture show which of ten garments?

Data: 10,500 scenes of 64×64 pixels composed of recorded parts: one to three garments of Fashion-MNIST (Xiao, Rasul and
Vollgraf, 2017; MIT licence), 24 to 56 pixels wide and tinted, on photographs that come with scikit-image 0.26.0 (van
der Walt et al., "scikit-image: image processing in Python", PeerJ 2:e453, 2014; BSD-3).
Split: 9,000 train, 500 validation, 1,000 test, the same for every seed; they share neither a garment nor a photograph.
Model: a U-Net (Ronneberger, Fischer and Brox, arXiv:1505.04597) of segmentation-models-pytorch on any of timm's
encoders, trained from scratch; the default is timm's smallest ResNet-D.
Metric: intersection over union, the mean over the ten garments and the background (mIoU).
Baseline: background everywhere, .067. With seed 0 the recipe reaches .523 (validation .556); a third as long a
training .37, so still longer training may help.
Known limits: garments are pasted, not photographed where they lie; a garment's mask includes the holes in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from breakeven.task import Quality, Recipe, Task

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torchmetrics import Metric

    from breakeven.data import Prepared
    from breakeven.data.loaders import TensorDataModule

CLASSES = 11  # the background and ten garments


@dataclass(frozen=True)
class SceneSegmentation(Task):
    """Inputs float32 [batch, 3, 64, 64], standardised; logits [batch, 11, 64, 64]; targets uint8 [batch, 64, 64]."""

    encoder: str = Field("test_resnet", description="any model of timm that gives features at five scales, by its name")

    version: ClassVar[int] = 1
    title: ClassVar[str] = "Scene segmentation"
    domain: ClassVar[str] = "vision"
    data_kind: ClassVar[Literal["recorded", "composed", "synthetic"]] = "composed"
    licence: ClassVar[str] = "MIT (garments), BSD-3 (photographs)"
    quality: ClassVar[Quality] = Quality("mean_iou", "ratio", higher_is_better=True, target=0.50)
    recipe: ClassVar[Recipe] = Recipe(epochs=6, batch_size=16, learning_rate=0.01, weight_decay=0.05)

    def datamodule(self, seed: int) -> TensorDataModule:
        """See `Task`."""
        from breakeven.data.loaders import TensorDataModule

        from .pictures import augment, to_inputs

        x = self._prepared().load()
        parts = [((x[f"{part}_images"],), x[f"{part}_masks"]) for part in ("train", "val", "test")]
        return TensorDataModule(
            *parts, batch_size=self.recipe.batch_size, seed=seed, transform=to_inputs, augment=augment
        )

    def model(self) -> nn.Module:
        """See `Task`.

        Raises:
            UserError: timm has no model of that name.
        """
        return self.student(1.0)

    def student(self, width: float) -> nn.Module:
        """See `Task`. An encoder's blocks stay as many as they are."""
        from breakeven.components.image_networks import unet

        return unet(self.encoder, 3, CLASSES, width)

    def loss(self, outputs: Tensor, target: Tensor) -> Tensor:
        """See `pictures.loss`."""
        from .pictures import loss

        return loss(outputs, target)

    def metric(self) -> Metric:
        """See `Task`. A class that neither occurs nor is found does not count."""
        from torchmetrics.classification import MulticlassJaccardIndex

        return MulticlassJaccardIndex(num_classes=CLASSES)

    def other_metrics(self) -> dict[str, Metric]:
        """See `Task`."""
        from torchmetrics.classification import MulticlassAccuracy

        return {"pixel_accuracy": MulticlassAccuracy(num_classes=CLASSES, average="micro")}

    def example_inputs(self, batch_size: int) -> tuple[Tensor, ...]:
        """See `Task`."""
        from .pictures import to_inputs

        return to_inputs(self._prepared().load()["test_images"][:batch_size])

    def _prepared(self) -> Prepared:
        from breakeven.data import prepared

        from .pictures import build

        return prepared(f"scene_segmentation-v{self.version}", build)
