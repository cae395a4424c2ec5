"""The area under the ROC curve, of logits."""

from __future__ import annotations

from torch import Tensor
from torchmetrics.classification import MulticlassAUROC


class AreaUnderCurve(MulticlassAUROC):
    """Of each class against all others, their mean. Exact: it keeps the outputs, which are a few MB of these sets."""

    def __init__(self, classes: int) -> None:
        super().__init__(num_classes=classes, average="macro")

    def update(self, outputs: Tensor, target: Tensor) -> None:
        """Logits [batch, classes] and classes [batch]."""
        super().update(outputs.softmax(1), target)  # or a batch whose logits all lie in 0..1 passes for probabilities
