"""Debian sections: to which of ten sections of the archive does a package belong, by its description?

Data: the descriptions of 6,219 packages in the package indexes of Debian 12, its main archive for amd64: of every
source and section the first package by name. Licence: none is stated for the descriptions: fetched, not redistributed.
The indexes change with every point release and cannot be pinned: the hash of what was prepared tells them apart, and
another Debian release gives other numbers.
Split: 4,711 train, 582 validation, 926 test, by source package, the same for every seed.
Model: embeddings of subwords (a vocabulary of its own), a GRU, an LSTM or a transformer over them, the mean and the
maximum of both, a linear layer; from scratch. RNNs run forwards only, so that padding at the end changes nothing.
Metric: top-1 accuracy; beside it macro F1. With seed 0 the GRU reaches .893 (validation .892), the LSTM .882 (.887).
Baseline: logistic regression on TF-IDF of single words, .878 (validation .878).
Known limits: texts are cut to 128 tokens (24 % are longer); sections are what maintainers chose, and some packages
would fit two; packages of one family, such as fonts or Perl modules, describe themselves alike across sources.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from breakeven.task import Classification, Lengths, Quality, Recipe

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torchmetrics import Metric

    from breakeven.data import Prepared
    from breakeven.datamodule import TensorDataModule

RECIPES = {
    "gru": Recipe(epochs=4, batch_size=32, learning_rate=5e-3, weight_decay=0.05),
    "lstm": Recipe(epochs=4, batch_size=32, learning_rate=5e-3, weight_decay=0.05),
    "transformer": Recipe(epochs=4, batch_size=32, learning_rate=3e-3, weight_decay=0.05),
}


@dataclass(frozen=True)
class PackageSections(Classification):
    """Input `ids`, int64 [batch, length], padded with 0; logits [batch, 10]."""

    network: Literal["gru", "lstm", "transformer"] = Field("gru", description="the encoder, trained from scratch")

    version: ClassVar[int] = 1
    title: ClassVar[str] = "Debian sections"
    domain: ClassVar[str] = "nlp"
    data_kind: ClassVar[Literal["recorded", "composed", "synthetic"]] = "recorded"
    licence: ClassVar[str] = "none stated for the descriptions (Debian main): fetched, not redistributed"
    classes: ClassVar[int] = 10
    label_smoothing: ClassVar[float] = 0.1
    quality: ClassVar[Quality] = Quality("top1_accuracy", "ratio", higher_is_better=True, target=0.87)
    lengths: ClassVar[Lengths] = Lengths(unit="tokens", dimensions=(1,), multiple=8)

    @property
    def recipe(self) -> Recipe:
        """Chosen on the validation split."""
        return RECIPES[self.network]

    def datamodule(self, seed: int) -> TensorDataModule:
        """See `Task`."""
        from breakeven.datamodule import TensorDataModule
        from breakeven.lengths import trimmed

        x = self._prepared().load()
        parts = [((x[f"{part}_ids"],), x[f"{part}_target"]) for part in ("train", "val", "test")]
        return TensorDataModule(*parts, batch_size=self.recipe.batch_size, seed=seed, transform=partial(trimmed, self))

    def length_of(self, *inputs: Tensor) -> Tensor:
        """See `Task`."""
        return (inputs[0] != 0).sum(1)

    def model(self) -> nn.Module:
        """See `Task`."""
        return self.student(1.0)

    def student(self, width: float) -> nn.Module:
        """See `Task`."""
        from . import network

        return getattr(network, self.network)(width)

    def other_metrics(self) -> dict[str, Metric]:
        """The F1 score of each section, averaged: fonts and mail count as much as science."""
        from torchmetrics.classification import MulticlassF1Score

        return {"macro_f1": MulticlassF1Score(num_classes=10, average="macro")}

    def example_inputs(self, batch_size: int) -> tuple[Tensor, ...]:
        """See `Task`."""
        return (self._prepared().load()["test_ids"][:batch_size],)

    def _prepared(self) -> Prepared:
        from breakeven.data import prepared

        from .corpus import build

        return prepared(f"package_sections-v{self.version}", build)
