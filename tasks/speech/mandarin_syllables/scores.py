"""How well phones were read: the classes of every output, decoded greedily, against those of the target."""

from __future__ import annotations

import torch
from torch import Tensor
from torchmetrics import MeanMetric
from torchmetrics.text import WordErrorRate

BLANK = 0


def decoded(outputs: Tensor) -> list[str]:
    """The likeliest class of each output, repeats merged, blanks dropped: numbers with spaces between, per sample."""
    return [_text(row.unique_consecutive()) for row in outputs.argmax(2).cpu()]


def wanted(target: Tensor) -> list[str]:
    """The same of a padded target."""
    return [_text(row) for row in target.cpu()]


def _text(classes: Tensor) -> str:
    return " ".join(map(str, classes[classes > BLANK].tolist()))


class PhoneErrorRate(WordErrorRate):
    """Phones inserted, deleted or replaced, per phone of the target; its words are the phones."""

    def update(self, outputs: Tensor, target: Tensor) -> None:
        """Log-probabilities [batch, time, classes] and classes [batch, phones]."""
        super().update(decoded(outputs), wanted(target))


class SyllableErrorRate(MeanMetric):
    """Share of the clips with any phone wrong."""

    def update(self, outputs: Tensor, target: Tensor) -> None:
        """Log-probabilities [batch, time, classes] and classes [batch, phones]."""
        wrong = [one != other for one, other in zip(decoded(outputs), wanted(target), strict=True)]
        super().update(torch.tensor(wrong, dtype=torch.float32))
