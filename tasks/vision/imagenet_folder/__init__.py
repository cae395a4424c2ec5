"""ImageNet folder: which class does a photograph belong to, in a folder of your own laid out like ImageNet's?

Data: the folder named by the environment variable BREAKEVEN_IMAGENET, with `train/<class>/` and `val/<class>/` full of
pictures, such as ImageNet-1k (Russakovsky et al., arXiv:1409.0575; 1.3 million photographs, for research only, by
registration). Its hash covers the paths and the sizes of the files, not what is in them.
Split: `val` for testing; of `train`, 5 % are validation, the same for every seed, and the rest trains.
Model: any of timm's, from scratch or with timm's weights from the Hugging Face hub, and timm's own transforms for it
at its own size; the default is ResNet-18 (He et al., arXiv:1512.03385).
Metric: top-1 accuracy; beside it top-5 accuracy, where there are more classes. Baseline: not measured here.
Published: .698 by torchvision's ResNet-18 on ImageNet-1k, .715 by timm's weights of it.
Known limits: not trained here, for the project's machines hold no such folder: recipes are untested, and targets are
for ImageNet-1k. Pictures are read as they are needed, by as many threads as the profile has: training may wait for
them. Which files there are is looked up once in a process.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from breakeven.task import Classification, Quality, Recipe

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torchmetrics import Metric

    from breakeven.data.loaders import TensorDataModule

SCRATCH = Recipe(epochs=30, batch_size=64, learning_rate=0.001, weight_decay=0.05)
FINE_TUNING = Recipe(epochs=1, batch_size=64, learning_rate=0.0001, weight_decay=0.05)
TARGETS = {False: 0.60, True: 0.65}  # from scratch, and with weights that were made on ImageNet


@dataclass(frozen=True)
class ImageNetFolder(Classification):
    """Inputs float32 [batch, 3, size, size], standardised, `size` that of timm's network; logits [batch, classes]."""

    network: str = Field("resnet18", description="any model of timm, by its name")
    pretrained: bool = Field(False, description="begin with timm's weights, downloaded from the Hugging Face hub")

    version: ClassVar[int] = 1
    title: ClassVar[str] = "ImageNet folder"
    domain: ClassVar[str] = "vision"
    data_kind: ClassVar[Literal["recorded", "composed", "synthetic"]] = "recorded"
    licence: ClassVar[str] = "that of your folder; ImageNet's terms of access allow research only"

    @property
    def quality(self) -> Quality:
        """The target lies below what is published for the default network."""
        return Quality("top1_accuracy", "ratio", higher_is_better=True, target=TARGETS[self.pretrained])

    @property
    def recipe(self) -> Recipe:
        """Untested."""
        return FINE_TUNING if self.pretrained else SCRATCH

    def prepare(self) -> str:
        """See `Task`. Nothing is copied."""
        from .pictures import sha256

        return sha256()

    def datamodule(self, seed: int) -> TensorDataModule:
        """See `Task`."""
        from breakeven.data.loaders import TensorDataModule

        from .._pictures import Pictures
        from .pictures import listed, transform

        seen = {part: transform(self.network, training=part == "train") for part in ("train", "val", "test")}
        parts = [((Pictures(listed()[part].files, seen[part]),), listed()[part].labels) for part in seen]
        return TensorDataModule(*parts, batch_size=self.recipe.batch_size, seed=seed)

    def model(self) -> nn.Module:
        """See `Task`.

        Raises:
            UserError: timm has no model of that name, or its weights cannot be had.
        """
        from . import network

        return network.network(self.network, self.classes, self.pretrained)

    def student(self, width: float) -> nn.Module:
        """See `Task`. From scratch; blocks and heads stay as many, a plain ResNet's stem stays 64 wide."""
        from . import network

        return network.student(self.network, self.classes, width)

    def other_metrics(self) -> dict[str, Metric]:
        """See `Task`."""
        from torchmetrics.classification import MulticlassAccuracy

        if (classes := self.classes) <= 5:
            return {}
        return {"top5_accuracy": MulticlassAccuracy(num_classes=classes, average="micro", top_k=5)}

    def example_inputs(self, batch_size: int) -> tuple[Tensor, ...]:
        """See `Task`."""
        from .._pictures import Pictures
        from .pictures import listed, transform

        files = listed()["test"].files[:batch_size]
        return (Pictures(files, transform(self.network))[range(len(files))],)

    @property
    def classes(self) -> int:  # type: ignore[override]
        """The folders of the training part."""
        from .pictures import classes

        return len(classes())
