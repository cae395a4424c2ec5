"""Brain tissue: does the centre of a noisy MRI patch show grey matter, white matter or neither?

Data: the MNI ICBM 152 template (T1-weighted, 1 mm, symmetric, 2009a; Fonov et al., "Unbiased average age-appropriate
brain templates from birth to adulthood", NeuroImage 47, 2009) with its maps of grey and white matter, from nilearn's
wheel 0.14.1 (BSD-3). Coronal patches of 28×28 mm are centred inside the brain, equally many per tissue. Gaussian noise
has a standard deviation of .2 of the brightest voxel. It is seeded and stored for validation and test, and drawn anew
for each training batch.
Split: by coronal slice: y = 20–130 mm for 9,000 training patches, 135–145 mm for 900 validation patches, 150–210 mm
for 1,800 test patches. Left and right are never separated, since they mirror each other.
Model: any model of timm, trained from scratch; the default is timm's smallest ResNet-D.
Metric: top-1 accuracy; also reported: macro-averaged F1. The default network reaches .889 and .888 (seed 0).
Baseline: logistic regression on the same patches, .849.
Known limits: the template averages many brains and is no single person's. Its labels come from a threshold (.3) on
maps. The task tests the pipeline and makes no clinical claim.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from breakeven.components.image_classification import ImageClassification
from breakeven.data import PyPI, Source
from breakeven.task import Quality, Recipe, TensorData, TensorTask

if TYPE_CHECKING:
    from torchmetrics import Metric

NILEARN = PyPI(
    "nilearn",
    "0.14.1",
    "725206484e9fb3f6691f9c2d20204a068759d5072f12055324702ee0cb2bbe8a",
    "nilearn-0.14.1-py3-none-any.whl",
)
CLASSES = 3  # other, grey matter, white matter


@dataclass(frozen=True)
class BrainTissue(TensorTask, ImageClassification):
    """Inputs float32 [batch, 1, 28, 28], standardised; logits [batch, 3]: other, grey matter, white matter."""

    network: str = Field("test_resnet", description="the name of a timm model, or plain_cnn")

    version: ClassVar[int] = 1
    title: ClassVar[str] = "Brain tissue"
    domain: ClassVar[str] = "medical"
    data_kind: ClassVar[Literal["recorded", "composed", "synthetic"]] = "recorded"
    licence: ClassVar[str] = "BSD-3 (nilearn)"
    archives: ClassVar[tuple[Source, ...]] = (NILEARN,)
    classes: ClassVar[int] = CLASSES
    channels: ClassVar[int] = 1
    size: ClassVar[int] = 28
    quality: ClassVar[Quality] = Quality("top1_accuracy", "ratio", higher_is_better=True, target=0.87)
    recipe: ClassVar[Recipe] = Recipe(epochs=10, batch_size=64, learning_rate=0.005, weight_decay=0.05)

    def data(self) -> TensorData:
        """See `TensorTask`."""
        from .patches import augment, build

        return TensorData(build, ("patches",), "tissues", augment=augment)

    def other_metrics(self) -> dict[str, Metric]:
        """See `Task`."""
        from torchmetrics.classification import MulticlassF1Score

        return {"macro_f1": MulticlassF1Score(num_classes=CLASSES, average="macro")}
