"""Fashion-MNIST: which of ten garments does a small grey image show?

Data: 70,000 product photographs of an online shop, 28×28 pixels, MIT licence (Xiao, Rasul and Vollgraf, "Fashion-MNIST:
a Novel Image Dataset for Benchmarking Machine Learning Algorithms", 2017), from Debian's package, else by torchvision.
Split: the published 10,000 test images. The published 60,000 training images are split into 55,000 train and 5,000
validation, the same for every seed.
Model: any model of timm or a plain CNN, trained from scratch. The default is timm's smallest ResNet-D (370,000
parameters). With their recipes and seed 0, `plain_cnn` (620,000 parameters) reaches .907 on the test images in a minute
on one thread, and the vision transformer `levit_128s` (7,000,000), which makes patches by convolutions, .906 in
minutes. timm's smallest plain vision transformer, `test_vit` (268,000), reaches .892 (validation .904). Training it for
40 epochs, with mirrored, shifted or partly erased images, with smoothed labels or smaller patches gives at most .896.
Metric: top-1 accuracy. Baseline: logistic regression .834, a multilayer perceptron .839 (10,000 training images).
Known limits: the images are small, padded to 32×32. Networks made for 224×224 pixels reach 1×1 at their last stage, and
a vision transformer sees four patches. Networks without a recipe of their own use the default's recipe.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from breakeven.components.image_classification import ImageClassification
from breakeven.data import Source
from breakeven.task import Quality, Recipe, TensorData, TensorTask

from .._garments import FASHION_MNIST

DEFAULT = "test_resnet"
RECIPES = {
    "test_resnet": Recipe(epochs=2, batch_size=128, learning_rate=0.01, weight_decay=0.05),
    "plain_cnn": Recipe(epochs=2, batch_size=128, learning_rate=0.003, weight_decay=0.05),
    "levit_128s": Recipe(epochs=4, batch_size=128, learning_rate=0.002, weight_decay=0.05),
    "test_vit": Recipe(epochs=24, batch_size=128, learning_rate=0.004, weight_decay=0.05),
}


@dataclass(frozen=True)
class FashionMNIST(TensorTask, ImageClassification):
    """Inputs float32 [batch, 1, 32, 32], standardised; logits [batch, 10]."""

    network: str = Field(DEFAULT, description="the name of a timm model, or plain_cnn")

    version: ClassVar[int] = 1
    title: ClassVar[str] = "Fashion-MNIST"
    domain: ClassVar[str] = "vision"
    data_kind: ClassVar[Literal["recorded", "composed", "synthetic"]] = "recorded"
    licence: ClassVar[str] = "MIT"
    archives: ClassVar[tuple[Source, ...]] = (FASHION_MNIST,)
    classes: ClassVar[int] = 10
    channels: ClassVar[int] = 1
    size: ClassVar[int] = 32
    quality: ClassVar[Quality] = Quality("top1_accuracy", "ratio", higher_is_better=True, target=0.88)

    @property
    def recipe(self) -> Recipe:
        """The recipe of the network, chosen on the validation split; other networks use the default's recipe."""
        return RECIPES.get(self.network, RECIPES[DEFAULT])

    def data(self) -> TensorData:
        """See `TensorTask`."""
        from .images import build, to_inputs

        return TensorData(build, ("images",), "labels", transform=to_inputs)
