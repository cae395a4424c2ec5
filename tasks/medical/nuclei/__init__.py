"""Nuclei: which pixels of a fluorescence micrograph belong to a cell nucleus?

Data: one image of 512×512 pixels with 125 labelled nuclei from the 2018 Data Science Bowl (Caicedo et al., "Nucleus
segmentation across imaging experiments", Nature Methods 16, 2019), inside stardist's wheel 0.9.2 (BSD-3).
Split: by columns of pixels: 272 train, 64 validation, 128 test, with 24 unused columns between them. Training has 768
random crops of 64×64 pixels, rotated and mirrored. Validation has 8 tiles of this size and test 16, side by side.
Model: a U-Net (Ronneberger, Fischer and Brox, arXiv:1505.04597) of segmentation-models-pytorch on any timm encoder,
trained from scratch; the default is timm's smallest ResNet-D.
Metric: Dice, the F1 of pixels; also reported: intersection over union. Reached: .946 and .898 (seed 0).
Baseline: on the same tiles, Otsu's threshold .804, the threshold that is best in training .874, and .880 after
smoothing.
Known limits: one image of one sample, so the interval does not cover other images. Touching nuclei are not separated.
The task tests the pipeline and makes no clinical claim.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from breakeven.data import PyPI, Source
from breakeven.task import Quality, Recipe, TensorData, TensorTask

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torchmetrics import Metric

STARDIST = PyPI(
    "stardist",
    "0.9.2",
    "2316c0feb7bd5621e7a277cb3868df475c338943c591925c420ee3622c42f023",
    "stardist-0.9.2-cp311-cp311-manylinux_2_24_x86_64.manylinux_2_28_x86_64.whl",
)


@dataclass(frozen=True)
class Nuclei(TensorTask):
    """Inputs float32 [batch, 1, 64, 64]; logits [batch, 2, 64, 64]: other, nucleus; masks uint8 [batch, 64, 64]."""

    encoder: str = Field("test_resnet", description="the name of a timm model with features at five scales")

    version: ClassVar[int] = 1
    title: ClassVar[str] = "Nuclei"
    domain: ClassVar[str] = "medical"
    data_kind: ClassVar[Literal["recorded", "composed", "synthetic"]] = "recorded"
    licence: ClassVar[str] = "BSD-3 (stardist)"
    archives: ClassVar[tuple[Source, ...]] = (STARDIST,)
    quality: ClassVar[Quality] = Quality("dice", "ratio", higher_is_better=True, target=0.92)
    recipe: ClassVar[Recipe] = Recipe(epochs=4, batch_size=8, learning_rate=0.01, weight_decay=0.05)

    def data(self) -> TensorData:
        """See `TensorTask`."""
        from .tiles import build

        return TensorData(build, ("tiles",), "masks")

    def model(self) -> nn.Module:
        """See `Task`.

        Raises:
            UserError: timm has no model of that name.
        """
        return self.student(1.0)

    def student(self, width: float) -> nn.Module:
        """See `Task`. The number of the encoder's blocks stays the same."""
        from breakeven.components.image_networks import unet

        return unet(self.encoder, 1, 2, width)

    def loss(self, outputs: Tensor, target: Tensor) -> Tensor:
        """Cross entropy [nats per pixel]."""
        from torch.nn.functional import cross_entropy

        return cross_entropy(outputs, target.long())

    def metric(self) -> Metric:
        """See `Task`."""
        from .metrics import Dice

        return Dice()

    def other_metrics(self) -> dict[str, Metric]:
        """See `Task`."""
        from .metrics import IoU

        return {"iou": IoU()}
