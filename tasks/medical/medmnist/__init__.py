"""MedMNIST: what does a small medical picture show, of one of ten sets with one label a picture?

Data: MedMNIST v2 (Yang et al., "MedMNIST v2 - A large-scale lightweight benchmark for 2D and 3D biomedical image
classification", Scientific Data 10:41, 2023; CC BY 4.0, DermaMNIST CC BY-NC 4.0): pictures of 28×28 pixels, grey or in
colour, 780 of BreastMNIST to 236,386 of TissueMNIST; downloaded from Zenodo, or given by hand. ChestMNIST, where a
picture has several labels, RetinaMNIST, whose labels are grades, and the sets in three dimensions are left out.
Split: the published one. Training pictures are seen as they are stored, neither mirrored nor turned.
Model: any of timm's or a plain CNN, trained from scratch; the default is ResNet-18 (He et al., arXiv:1512.03385).
Metric: top-1 accuracy; beside it the area under the ROC curve of each class against all others, their mean.
Baseline: not measured here.
Published: of this size, ResNet-18 reaches .907 on PathMNIST, .735 on DermaMNIST, .743 on OCTMNIST, .854 on
PneumoniaMNIST and .863 on BreastMNIST (Yang et al., Table 3).
Known limits: not trained here, for the project's machines reach no download: recipes and targets are untested. No
clinical claim: the pictures are far smaller than those a diagnosis is made of; their makers rule out clinical use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from breakeven.components.image_classification import ImageClassification
from breakeven.task import Quality, Recipe

from .sets import SETS, Set

if TYPE_CHECKING:
    from torch import Tensor
    from torchmetrics import Metric

    from breakeven.data import Prepared
    from breakeven.data.loaders import TensorDataModule

STEPS = 8_000  # of training, about as many for each set, whatever its size
BATCH = 64


@dataclass(frozen=True)
class MedMNIST(ImageClassification):
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
    ] = Field("bloodmnist", description="which of MedMNIST's sets")
    network: str = Field("resnet18", description="plain_cnn, or any model of timm, by its name")

    version: ClassVar[int] = 1
    title: ClassVar[str] = "MedMNIST"
    domain: ClassVar[str] = "medical"
    data_kind: ClassVar[Literal["recorded", "composed", "synthetic"]] = "recorded"
    licence: ClassVar[str] = "CC BY 4.0; dermamnist: CC BY-NC 4.0"
    size: ClassVar[int] = 28

    @property
    def quality(self) -> Quality:
        """The target lies below what is published for the set."""
        return Quality("top1_accuracy", "ratio", higher_is_better=True, target=self._set.target)

    @property
    def recipe(self) -> Recipe:
        """Untested. The smaller the set, the more often it is seen, up to 100 times as in the paper."""
        epochs = min(100, max(2, round(STEPS * BATCH / self._set.training)))
        return Recipe(epochs=epochs, batch_size=BATCH, learning_rate=0.001, weight_decay=0.05)

    @property
    def classes(self) -> int:  # type: ignore[override]
        """Of the set."""
        return self._set.classes

    @property
    def channels(self) -> int:  # type: ignore[override]
        """1 of grey pictures, 3 of those in colour."""
        return self._set.channels

    def datamodule(self, seed: int) -> TensorDataModule:
        """See `Task`."""
        from breakeven.data.loaders import TensorDataModule

        from .pictures import to_inputs

        x = self._prepared().load()
        parts = [((x[f"{part}_images"],), x[f"{part}_labels"]) for part in ("train", "val", "test")]
        return TensorDataModule(*parts, batch_size=self.recipe.batch_size, seed=seed, transform=to_inputs)

    def other_metrics(self) -> dict[str, Metric]:
        """See `Task`."""
        from .metrics import AreaUnderCurve

        return {"auroc": AreaUnderCurve(self.classes)}

    def example_inputs(self, batch_size: int) -> tuple[Tensor, ...]:
        """See `Task`."""
        from .pictures import to_inputs

        return to_inputs(self._prepared().load()["test_images"][:batch_size])

    @property
    def _set(self) -> Set:
        return SETS[self.dataset]

    def _prepared(self) -> Prepared:
        from breakeven.data import prepared

        from .pictures import builder

        return prepared(f"medmnist-v{self.version}-{self.dataset}", builder(self.dataset))
