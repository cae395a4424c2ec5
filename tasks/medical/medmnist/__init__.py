"""MedMNIST: what does a small medical image show, in one of ten data sets with one label per image?

Data: MedMNIST v2 (Yang et al., "MedMNIST v2 - A large-scale lightweight benchmark for 2D and 3D biomedical image
classification", Scientific Data 10:41, 2023; CC BY 4.0, DermaMNIST CC BY-NC 4.0): grey or colour images of 28×28
pixels, from 780 (BreastMNIST) to 236,386 (TissueMNIST). They are downloaded from Zenodo, or given by hand. Left out are
ChestMNIST (several labels per image), RetinaMNIST (labels are grades) and the three-dimensional sets.
Split: the published one. Training images are neither mirrored nor rotated.
Model: any model of timm or a plain CNN, trained from scratch; the default is ResNet-18 (He et al., arXiv:1512.03385).
Metric: top-1 accuracy; also reported: the area under the ROC curve of each class against all others, averaged.
Baseline: not measured here.
Published: at this size, ResNet-18 reaches .907 on PathMNIST, .735 on DermaMNIST, .743 on OCTMNIST, .854 on
PneumoniaMNIST and .863 on BreastMNIST (Yang et al., Table 3).
Known limits: not trained here, since the project's machines cannot download the data. Recipes and targets are untested.
No clinical claim: the images are far smaller than those used for diagnoses, and their makers rule out clinical use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from breakeven.components.image_classification import ImageClassification
from breakeven.task import Quality, Recipe, TensorData, TensorTask

from .sets import SETS, Set

if TYPE_CHECKING:
    from torchmetrics import Metric

STEPS = 8_000  # training steps, about the same for each set
BATCH = 64


@dataclass(frozen=True)
class MedMNIST(TensorTask, ImageClassification):
    """Inputs float32 [batch, 1 or 3, 28, 28] in -1..1; logits [batch, classes of the set]."""

    dataset: Literal[
        "pathmnist",
        "dermamnist",
        "octmnist",
        "pneumoniamnist",
        "breastmnist",
        "bloodmnist",
        "tissuemnist",
        "organamnist",
        "organcmnist",
        "organsmnist",
    ] = Field("bloodmnist", description="the name of the set")
    network: str = Field("resnet18", description="the name of a timm model, or plain_cnn")

    version: ClassVar[int] = 1
    title: ClassVar[str] = "MedMNIST"
    domain: ClassVar[str] = "medical"
    data_kind: ClassVar[Literal["recorded", "composed", "synthetic"]] = "recorded"
    licence: ClassVar[str] = "CC BY 4.0; dermamnist: CC BY-NC 4.0"
    size: ClassVar[int] = 28

    @property
    def quality(self) -> Quality:
        """Top-1 accuracy. The target lies below the accuracy published for the set."""
        return Quality("top1_accuracy", "ratio", higher_is_better=True, target=self._set.target)

    @property
    def recipe(self) -> Recipe:
        """Untested. A smaller set is trained for more epochs: up to 100, as in the paper."""
        epochs = min(100, max(2, round(STEPS * BATCH / self._set.training)))
        return Recipe(epochs=epochs, batch_size=BATCH, learning_rate=0.001, weight_decay=0.05)

    @property
    def classes(self) -> int:
        """The number of classes in the set."""
        return self._set.classes

    @property
    def channels(self) -> int:  # type: ignore[override]
        """1 for grey images, 3 for colour images."""
        return self._set.channels

    def data(self) -> TensorData:
        """See `TensorTask`."""
        from .pictures import builder, to_inputs

        build = builder(self.dataset)
        return TensorData(build, ("images",), "labels", variant=self.dataset, transform=to_inputs)

    def other_metrics(self) -> dict[str, Metric]:
        """See `Task`."""
        from .metrics import AreaUnderCurve

        return {"auroc": AreaUnderCurve(self.classes)}

    @property
    def _set(self) -> Set:
        return SETS[self.dataset]
