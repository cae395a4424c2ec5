"""Nuclei: which pixels of a fluorescence micrograph belong to a cell nucleus?

Data: one picture of 512×512 pixels with 125 labelled nuclei from the 2018 Data Science Bowl (Caicedo et al., "Nucleus
segmentation across imaging experiments", Nature Methods 16, 2019), inside stardist's wheel 0.9.2 (BSD-3).
Split: by columns of pixels, 272 to train, 64 to validate, 128 to test, with 24 left out between them. Training sees 768
random crops of 64×64, turned and mirrored; validation has 8 such tiles and test 16, side by side.
Model: a U-Net (Ronneberger, Fischer and Brox, arXiv:1505.04597) of segmentation-models-pytorch on any of timm's
encoders, trained from scratch; the default is timm's smallest ResNet-D.
Metric: Dice, which is the F1 of pixels; beside it the intersection over union. Reached: .946 and .898 (seed 0).
Baseline: on the same tiles, Otsu's threshold .804, the one that is best in training .874, after smoothing .880.
Known limits: one picture of one sample: its interval says nothing of other pictures. Nuclei that touch are not told
apart. A test of the pipeline; no clinical claim.
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


@dataclass(frozen=True)
class Nuclei(Task):
    """Inputs float32 [batch, 1, 64, 64]; logits [batch, 2, 64, 64]: other, nucleus; masks uint8 [batch, 64, 64]."""

    encoder: str = Field("test_resnet", description="any model of timm that gives features at five scales, by its name")

    version: ClassVar[int] = 1
    title: ClassVar[str] = "Nuclei"
    domain: ClassVar[str] = "medical"
    data_kind: ClassVar[Literal["recorded", "composed", "synthetic"]] = "recorded"
    licence: ClassVar[str] = "BSD-3 (stardist)"
    quality: ClassVar[Quality] = Quality("dice", "ratio", higher_is_better=True, target=0.92)
    recipe: ClassVar[Recipe] = Recipe(epochs=4, batch_size=8, learning_rate=0.01, weight_decay=0.05)

    def datamodule(self, seed: int) -> TensorDataModule:
        """See `Task`."""
        from breakeven.data.loaders import TensorDataModule

        x = self._prepared().load()
        parts = [((x[f"{part}_tiles"],), x[f"{part}_masks"]) for part in ("train", "val", "test")]
        return TensorDataModule(*parts, batch_size=self.recipe.batch_size, seed=seed)

    def model(self) -> nn.Module:
        """See `Task`.

        Raises:
            UserError: timm has no model of that name.
        """
        return self.student(1.0)

    def student(self, width: float) -> nn.Module:
        """See `Task`. An encoder's blocks stay as many as they are."""
        from breakeven.components.image_networks import unet

        return unet(self.encoder, 1, 2, width)

    def loss(self, outputs: Tensor, target: Tensor) -> Tensor:
        """Cross entropy [nats] of a pixel."""
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

    def example_inputs(self, batch_size: int) -> tuple[Tensor, ...]:
        """See `Task`."""
        return (self._prepared().load()["test_tiles"][:batch_size],)

    def _prepared(self) -> Prepared:
        from breakeven.data import prepared

        from .tiles import build

        return prepared(f"nuclei-v{self.version}", build)
