"""Computes measures of overlap from logits."""

from __future__ import annotations

from torch import Tensor
from torchmetrics.classification import BinaryF1Score, BinaryJaccardIndex


class Dice(BinaryF1Score):
    """The Dice coefficient over all pixels, which equals their F1."""

    def update(self, outputs: Tensor, target: Tensor) -> None:
        """Take in logits [batch, 2, height, width] and masks [batch, height, width]."""
        super().update(outputs.argmax(1), target)


class IoU(BinaryJaccardIndex):
    """The intersection over union over all pixels."""

    def update(self, outputs: Tensor, target: Tensor) -> None:
        """Take in logits [batch, 2, height, width] and masks [batch, height, width]."""
        super().update(outputs.argmax(1), target)
