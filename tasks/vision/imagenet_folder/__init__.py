"""ImageNet folder: which class does a photograph show, in your own folder with ImageNet's layout?

Data: the environment variable BREAKEVEN_IMAGENET names a folder with images in `train/<class>/` and `val/<class>/`,
such as ImageNet-1k (Russakovsky et al., arXiv:1409.0575; 1.3 million photographs, for research only, after
registration). The data's hash covers the paths and sizes of the files, but not their content.
Split: `val` is for testing. 5 % of `train` are for validation, the same for every seed; the rest is for training.
Model: any model of timm, trained from scratch or from timm's weights on the Hugging Face hub, with timm's transforms
and image size for the model; the default is ResNet-18 (He et al., arXiv:1512.03385).
Metric: top-1 accuracy; also reported: top-5 accuracy, where there are more than five classes. Baseline: not measured
here.
Published: .698 by torchvision's ResNet-18 on ImageNet-1k, .715 with timm's weights for it.
Known limits: not trained here, since the project's machines have no such folder. Recipes are untested, and targets are
for ImageNet-1k. Images are read when they are needed, by as many threads as the profile has, so training may wait for
them. Each process lists the files once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal, cast

from pydantic import Field
from pydantic.dataclasses import dataclass

from breakeven.task import PARTS, Classification, Part, Quality, Recipe

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torchmetrics import Metric

    from breakeven.data.loaders import Batch, TensorDataModule


SCRATCH = Recipe(epochs=30, batch_size=64, learning_rate=0.001, weight_decay=0.05)
FINE_TUNING = Recipe(epochs=1, batch_size=64, learning_rate=0.0001, weight_decay=0.05)
TARGETS = {False: 0.60, True: 0.65}  # by `pretrained`: from scratch, and with weights pretrained on ImageNet


@dataclass(frozen=True)
class ImageNetFolder(Classification):
    """Inputs float32 [batch, 3, size, size], standardised, at the `size` of timm's network; logits [batch, classes]."""

    network: str = Field("resnet18", description="the name of a timm model")
    pretrained: bool = Field(False, description="begin with timm's weights, downloaded from the Hugging Face hub")

    version: ClassVar[int] = 1
    title: ClassVar[str] = "ImageNet folder"
    domain: ClassVar[str] = "vision"
    data_kind: ClassVar[Literal["recorded", "composed", "synthetic"]] = "recorded"
    licence: ClassVar[str] = "that of your folder; ImageNet's terms of access allow research only"

    @property
    def quality(self) -> Quality:
        """Top-1 accuracy. The target lies below the accuracy published for the default network."""
        return Quality("top1_accuracy", "ratio", higher_is_better=True, target=TARGETS[self.pretrained])

    @property
    def recipe(self) -> Recipe:
        """The recipe by `pretrained`, untested."""
        return FINE_TUNING if self.pretrained else SCRATCH

    def prepare(self) -> str:
        """Return the sha256 over the files' paths and sizes: see `Task`. Nothing is copied."""
        from .pictures import sha256

        return sha256()

    def datamodule(self, seed: int) -> TensorDataModule:
        """See `Task`."""
        from breakeven.data.loaders import TensorDataModule

        from .._pictures import Pictures
        from .pictures import listed, transform

        def samples(part: Part) -> Batch:
            chosen = listed()[part]
            images = Pictures(chosen.files, transform(self.network, training=part == "train"))
            return (cast("Tensor", images),), chosen.labels

        train, val, test = map(samples, PARTS)
        return TensorDataModule(train, val, test, batch_size=self.recipe.batch_size, seed=seed)

    def model(self) -> nn.Module:
        """See `Task`.

        Raises:
            UserError: timm has no model of that name, or its weights cannot be obtained.
        """
        from . import network

        return network.network(self.network, self.classes, self.pretrained)

    def student(self, width: float) -> nn.Module:
        """See `Task`. The numbers of blocks and heads stay the same; a plain ResNet's stem stays 64 wide."""
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

        return (Pictures(listed()["test"].files, transform(self.network))[:batch_size],)

    @property
    def classes(self) -> int:
        """The number of folders in the training part."""
        from .pictures import classes

        return len(classes())
