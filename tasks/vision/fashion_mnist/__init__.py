"""Fashion-MNIST: which of ten garments does a small grey picture show?

Data: 70,000 product photographs of an online shop, 28×28 pixels, MIT licence (Xiao, Rasul and Vollgraf, "Fashion-MNIST:
a Novel Image Dataset for Benchmarking Machine Learning Algorithms", 2017), from Debian's package, else by torchvision.
Split: the published 10,000 for testing; of the published 60,000 for training, 55,000 train and 5,000 validation, the
same for every seed.
Model: any of timm's or a plain CNN, trained from scratch; the default is timm's smallest ResNet-D (370,000 parameters).
After their recipes, with seed 0, `plain_cnn` (620,000 parameters) reached .907 of the test pictures in a minute on one
thread; the vision transformer `levit_128s` (7,000,000), whose patches are made by convolutions, .906 in minutes; timm's
smallest plain one, `test_vit` (268,000), .892 (validation .904), and no more than .896 with 40 epochs, with mirrored,
shifted or partly erased pictures, smoothed labels or smaller patches.
Metric: top-1 accuracy. Baseline: logistic regression .834, a multilayer perceptron .839 (10,000 training pictures).
Known limits: small pictures, padded to 32×32; networks made for 224×224 are down to 1×1 after their last stage, and a
vision transformer sees four patches. Networks without a recipe of their own are trained by the default's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from breakeven.components.image_classification import ImageClassification
from breakeven.task import Quality, Recipe

if TYPE_CHECKING:
    from torch import Tensor

    from breakeven.data import Prepared
    from breakeven.data.loaders import TensorDataModule

DEFAULT = "test_resnet"
RECIPES = {
    "test_resnet": Recipe(epochs=2, batch_size=128, learning_rate=0.01, weight_decay=0.05),
    "plain_cnn": Recipe(epochs=2, batch_size=128, learning_rate=0.003, weight_decay=0.05),
    "levit_128s": Recipe(epochs=4, batch_size=128, learning_rate=0.002, weight_decay=0.05),
    "test_vit": Recipe(epochs=24, batch_size=128, learning_rate=0.004, weight_decay=0.05),
}


@dataclass(frozen=True)
class FashionMNIST(ImageClassification):
    """Inputs float32 [batch, 1, 32, 32], standardised; logits [batch, 10]."""

    network: str = Field(DEFAULT, description="plain_cnn, or any model of timm, by its name")

    version: ClassVar[int] = 1
    title: ClassVar[str] = "Fashion-MNIST"
    domain: ClassVar[str] = "vision"
    data_kind: ClassVar[Literal["recorded", "composed", "synthetic"]] = "recorded"
    licence: ClassVar[str] = "MIT"
    classes: ClassVar[int] = 10
    channels: ClassVar[int] = 1
    size: ClassVar[int] = 32
    quality: ClassVar[Quality] = Quality("top1_accuracy", "ratio", higher_is_better=True, target=0.88)

    @property
    def recipe(self) -> Recipe:
        """Chosen on the validation split; networks of no recipe of their own have the default's."""
        return RECIPES.get(self.network, RECIPES[DEFAULT])

    def datamodule(self, seed: int) -> TensorDataModule:
        """See `Task`."""
        from breakeven.data.loaders import TensorDataModule

        from .images import to_inputs

        x = self._prepared().load()
        parts = [((x[f"{part}_images"],), x[f"{part}_labels"]) for part in ("train", "val", "test")]
        return TensorDataModule(*parts, batch_size=self.recipe.batch_size, seed=seed, transform=to_inputs)

    def example_inputs(self, batch_size: int) -> tuple[Tensor, ...]:
        """See `Task`."""
        from .images import to_inputs

        return to_inputs(self._prepared().load()["test_images"][:batch_size])

    def _prepared(self) -> Prepared:
        from breakeven.data import prepared

        from .images import build

        return prepared(f"fashion_mnist-v{self.version}", build)
