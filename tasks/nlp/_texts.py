"""What the classifiers of single texts share: subwords, one of three encoders, and what is reported."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from breakeven.task import Classification, Lengths, Recipe

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torchmetrics import Metric

    from breakeven.data.loaders import TensorDataModule


@dataclass(frozen=True)
class TextClassification(Classification):
    """Input `ids`, int64 [batch, length], padded with 0; logits [batch, classes]."""

    network: Literal["gru", "lstm", "transformer"] = Field("gru", description="the encoder, trained from scratch")

    domain: ClassVar[str] = "nlp"
    label_smoothing: ClassVar[float] = 0.1
    lengths: ClassVar[Lengths] = Lengths(unit="tokens", dimensions=(1,), multiple=8)
    recipes: ClassVar[dict[str, Recipe]]  # by network

    @property
    def recipe(self) -> Recipe:
        """The network's own."""
        return self.recipes[self.network]

    def datamodule(self, seed: int) -> TensorDataModule:
        """See `Task`."""
        from breakeven.components.lengths import trimmed
        from breakeven.data.loaders import TensorDataModule

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
        from . import _encoders

        return getattr(_encoders, self.network)(self.classes, width)

    def other_metrics(self) -> dict[str, Metric]:
        """The F1 score of each class, averaged: a rare class counts as much as a frequent one."""
        from torchmetrics.classification import MulticlassF1Score

        return {"macro_f1": MulticlassF1Score(num_classes=self.classes, average="macro")}

    def example_inputs(self, batch_size: int) -> tuple[Tensor, ...]:
        """See `Task`."""
        return (self._prepared().load()["test_ids"][:batch_size],)
