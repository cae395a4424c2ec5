"""Computes the area under the ROC curve from logits."""

from __future__ import annotations

from torch import Tensor
from torchmetrics.classification import MulticlassAUROC


class AreaUnderCurve(MulticlassAUROC):
    """The area under the ROC curve of each class against all others, averaged over the classes.

    The value is exact: the metric keeps all outputs, a few MB for these sets.
    """

    def __init__(self, classes: int) -> None:
        super().__init__(num_classes=classes, average="macro")

    def update(self, outputs: Tensor, target: Tensor) -> None:
        """Take in logits [batch, classes] and classes [batch]."""
        super().update(
            outputs.softmax(1), target
        )  # torchmetrics would take logits that all lie in 0..1 for probabilities
