"""Scene segmentation: which pixels of a small image show which of ten garments?

Data: 10,500 scenes of 64×64 pixels composed of recorded parts: one to three garments of Fashion-MNIST (Xiao, Rasul and
Vollgraf, 2017; MIT licence), 24 to 56 pixels wide and tinted, on photographs that come with scikit-image 0.26.0 (van
der Walt et al., "scikit-image: image processing in Python", PeerJ 2:e453, 2014; BSD-3).
Split: 9,000 train, 500 validation, 1,000 test, the same for every seed; they share neither a garment nor a photograph.
Model: a U-Net (Ronneberger, Fischer and Brox, arXiv:1505.04597) of segmentation-models-pytorch on any timm encoder,
trained from scratch; the default is timm's smallest ResNet-D.
Metric: intersection over union, averaged over the ten garments and the background (mIoU).
Baseline: background everywhere, .067. With seed 0 the recipe reaches .523 (validation .556). A third of this training
reaches .37, so longer training may help.
Known limits: garments are pasted, not photographed in place. A garment's mask includes its holes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from breakeven.data import Source
from breakeven.task import Quality, Recipe, TensorData, TensorTask

from .._garments import FASHION_MNIST
from .._scenes import SCIKIT_IMAGE

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torchmetrics import Metric


CLASSES = 11  # the background and ten garments


@dataclass(frozen=True)
class SceneSegmentation(TensorTask):
    """Inputs float32 [batch, 3, 64, 64], standardised; logits [batch, 11, 64, 64]; targets uint8 [batch, 64, 64]."""

    encoder: str = Field("test_resnet", description="the name of a timm model with features at five scales")

    version: ClassVar[int] = 1
    title: ClassVar[str] = "Scene segmentation"
    domain: ClassVar[str] = "vision"
    data_kind: ClassVar[Literal["recorded", "composed", "synthetic"]] = "composed"
    licence: ClassVar[str] = "MIT (garments), BSD-3 (photographs)"
    archives: ClassVar[tuple[Source, ...]] = (FASHION_MNIST, SCIKIT_IMAGE)
    quality: ClassVar[Quality] = Quality("mean_iou", "ratio", higher_is_better=True, target=0.50)
    recipe: ClassVar[Recipe] = Recipe(epochs=6, batch_size=16, learning_rate=0.01, weight_decay=0.05)

    def data(self) -> TensorData:
        """See `TensorTask`."""
        from .pictures import augment, build, to_inputs

        return TensorData(build, ("images",), "masks", transform=to_inputs, augment=augment)

    def model(self) -> nn.Module:
        """See `Task`.

        Raises:
            UserError: timm has no model of that name.
        """
        return self.student(1.0)

    def student(self, width: float) -> nn.Module:
        """See `Task`. The number of the encoder's blocks stays the same."""
        from breakeven.components.image_networks import unet

        return unet(self.encoder, 3, CLASSES, width)

    def loss(self, outputs: Tensor, target: Tensor) -> Tensor:
        """Cross entropy [nats] plus soft Dice loss: see `pictures.loss`."""
        from .pictures import loss

        return loss(outputs, target)

    def metric(self) -> Metric:
        """The mean intersection over union (0 to 1). A class that neither occurs nor is predicted does not count."""
        from torchmetrics.classification import MulticlassJaccardIndex

        return MulticlassJaccardIndex(num_classes=CLASSES)

    def other_metrics(self) -> dict[str, Metric]:
        """See `Task`."""
        from torchmetrics.classification import MulticlassAccuracy

        return {"pixel_accuracy": MulticlassAccuracy(num_classes=CLASSES, average="micro")}
