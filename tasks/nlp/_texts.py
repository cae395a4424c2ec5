"""The base of the classifiers of single texts: subwords, one of three encoders, and the metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from breakeven.task import Classification, Lengths, Recipe, TensorTask

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torchmetrics import Metric


@dataclass(frozen=True)
class TextClassification(TensorTask, Classification):
    """Input `ids`, int64 [batch, length], padded with 0; logits [batch, classes]."""

    network: Literal["gru", "lstm", "transformer"] = Field(
        "gru", description="the encoder, which is trained from scratch"
    )

    domain: ClassVar[str] = "nlp"
    label_smoothing: ClassVar[float] = 0.1
    lengths: ClassVar[Lengths] = Lengths(unit="tokens", dimensions=(1,), multiple=8)
    recipes: ClassVar[dict[str, Recipe]]  # by the name of the network

    @property
    def recipe(self) -> Recipe:
        """The recipe of the network."""
        return self.recipes[self.network]

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
        """The F1 score of each class, averaged, so that a rare class counts as much as a frequent class."""
        from torchmetrics.classification import MulticlassF1Score

        return {"macro_f1": MulticlassF1Score(num_classes=self.classes, average="macro")}
