"""Brain tissue: does a noisy patch of an MRI show grey matter, white matter or neither, at its centre?

Data: the MNI ICBM 152 template (T1-weighted, 1 mm, symmetric, 2009a; Fonov et al., "Unbiased average age-appropriate
brain templates from birth to adulthood", NeuroImage 47, 2009) with its maps of grey and white matter, from nilearn's
wheel 0.14.1 (BSD-3). Coronal patches of 28×28 mm centred inside the brain, as many of each tissue, with Gaussian noise
of .2 of the brightest voxel: seeded and stored for validation and test, drawn anew for every training batch.
Split: by coronal slice, y = 20–130 mm for 9,000 training patches, 135–145 for 900 to validate, 150–210 for 1,800 to
test. Never by left and right, which mirror each other.
Model: any of timm's, trained from scratch; the default is timm's smallest ResNet-D.
Metric: top-1 accuracy; beside it the macro-averaged F1. The default network reaches .889 and .888 (seed 0).
Baseline: logistic regression on the same patches, .849.
Known limits: one averaged brain of no single person, its labels by threshold (.3) on maps: a test of the pipeline. No
clinical claim.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from breakeven.components.image_classification import ImageClassification
from breakeven.task import Quality, Recipe

if TYPE_CHECKING:
    from torch import Tensor
    from torchmetrics import Metric

    from breakeven.data import Prepared
    from breakeven.data.loaders import TensorDataModule

CLASSES = 3  # other, grey matter, white matter


@dataclass(frozen=True)
class BrainTissue(ImageClassification):
    """Inputs float32 [batch, 1, 28, 28], standardised; logits [batch, 3]: other, grey matter, white matter."""

    network: str = Field("test_resnet", description="any model of timm by its name, or plain_cnn")

    version: ClassVar[int] = 1
    title: ClassVar[str] = "Brain tissue"
    domain: ClassVar[str] = "medical"
    data_kind: ClassVar[Literal["recorded", "composed", "synthetic"]] = "recorded"
    licence: ClassVar[str] = "BSD-3 (nilearn)"
    classes: ClassVar[int] = CLASSES
    channels: ClassVar[int] = 1
    size: ClassVar[int] = 28
    quality: ClassVar[Quality] = Quality("top1_accuracy", "ratio", higher_is_better=True, target=0.87)
    recipe: ClassVar[Recipe] = Recipe(epochs=10, batch_size=64, learning_rate=0.005, weight_decay=0.05)

    def datamodule(self, seed: int) -> TensorDataModule:
        """See `Task`."""
        from breakeven.data.loaders import TensorDataModule

        from .patches import augment

        x = self._prepared().load()
        parts = [((x[f"{part}_patches"],), x[f"{part}_tissues"]) for part in ("train", "val", "test")]
        return TensorDataModule(*parts, batch_size=self.recipe.batch_size, seed=seed, augment=augment)

    def other_metrics(self) -> dict[str, Metric]:
        """See `Task`."""
        from torchmetrics.classification import MulticlassF1Score

        return {"macro_f1": MulticlassF1Score(num_classes=CLASSES, average="macro")}

    def example_inputs(self, batch_size: int) -> tuple[Tensor, ...]:
        """See `Task`."""
        return (self._prepared().load()["test_patches"][:batch_size],)

    def _prepared(self) -> Prepared:
        from breakeven.data import prepared

        from .patches import build

        return prepared(f"brain_tissue-v{self.version}", build)
